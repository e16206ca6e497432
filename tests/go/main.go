// Command go runs workflows of Temporal's Go SDK on the server at the address that is its only argument. It ends with
// exit code 0 when each did what it should.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// runMax bounds the whole program: a server that loses a task must fail the test, not hang it.
const runMax = 60 * time.Second

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), runMax)
	defer cancel()
	quiet := log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	c, err := client.Dial(client.Options{HostPort: address, Logger: quiet})
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	defer c.Close()

	queue := "go-" + uuid.NewString()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(Order)
	w.RegisterWorkflow(Payment)
	w.RegisterWorkflow(Shipment)
	w.RegisterActivity(&Shop{})
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	defer w.Stop()

	checks := []struct {
		name  string
		check func(context.Context, client.Client, string) error
	}{
		{"order: activities, timer, child, query, update, signal", checkOrder},
		{"cancel: the workflow cleans up", checkCancel},
		{"failure: a non-retryable error reaches the caller", checkFailure},
		{"payment: a workflow signals another one and starts it", checkPayment},
	}
	for _, c2 := range checks {
		if err := c2.check(ctx, c, queue); err != nil {
			return fmt.Errorf("%s: %w", c2.name, err)
		}
		fmt.Println("ok ", c2.name)
	}
	replayed, err := replayAll(ctx, c, queue)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	fmt.Println("ok ", replayed, "histories replay")
	fmt.Printf("%d passed, 0 failed\n", len(checks))
	return nil
}

func start(ctx context.Context, c client.Client, queue string, items []string) (client.WorkflowRun, error) {
	options := client.StartWorkflowOptions{ID: "order-" + uuid.NewString(), TaskQueue: queue}
	return c.ExecuteWorkflow(ctx, options, Order, items)
}

func checkOrder(ctx context.Context, c client.Client, queue string) error {
	run, err := start(ctx, c, queue, []string{"bread", "milk"})
	if err != nil {
		return err
	}
	update, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "add", Args: []any{"salt"}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	var count int
	if err := update.Get(ctx, &count); err != nil || count != 3 {
		return fmt.Errorf("the update returns %d, %w", count, err)
	}
	rejected, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "add", Args: []any{""}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = rejected.Get(ctx, nil)
	}
	if err == nil {
		return errors.New("the validator's rejection is lost")
	}
	value, err := c.QueryWorkflow(ctx, run.GetID(), "", "items")
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	var items []string
	if err := value.Get(&items); err != nil || len(items) != 3 {
		return fmt.Errorf("the query returns %v, %w", items, err)
	}
	if err := c.SignalWorkflow(ctx, run.GetID(), "", "pay", 42); err != nil {
		return fmt.Errorf("signal: %w", err)
	}
	var result string
	if err := run.Get(ctx, &result); err != nil {
		return err
	}
	if want := "[bread milk salt] paid 42, packed on attempt 2, shipped"; result != want {
		return fmt.Errorf("result %q, not %q", result, want)
	}
	return nil
}

// replayAll feeds the histories of a queue's runs to the SDK's replayer, which fails where one is not deterministic.
func replayAll(ctx context.Context, c client.Client, queue string) (int, error) {
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflow(Order)
	replayer.RegisterWorkflow(Payment)
	replayer.RegisterWorkflow(Shipment)
	query := fmt.Sprintf("TaskQueue = '%s' AND ExecutionStatus != 'Running'", queue)
	runs, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return 0, err
	}
	for _, run := range runs.Executions {
		execution := workflow.Execution{ID: run.Execution.WorkflowId, RunID: run.Execution.RunId}
		if err := replayer.ReplayWorkflowExecution(ctx, c.WorkflowService(), nil, "default", execution); err != nil {
			return 0, fmt.Errorf("%s of %s: %w", run.Execution.WorkflowId, run.Type.Name, err)
		}
	}
	if len(runs.Executions) == 0 {
		return 0, errors.New("there is nothing to replay")
	}
	return len(runs.Executions), nil
}

func checkCancel(ctx context.Context, c client.Client, queue string) error {
	run, err := start(ctx, c, queue, []string{"bread"})
	if err != nil {
		return err
	}
	// The workflow must have begun: one that is cancelled before its first task has nothing to clean up.
	if _, err := c.QueryWorkflow(ctx, run.GetID(), "", "items"); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := c.CancelWorkflow(ctx, run.GetID(), ""); err != nil {
		return err
	}
	var canceled *temporal.CanceledError
	if err := run.Get(ctx, nil); !errors.As(err, &canceled) {
		return fmt.Errorf("the workflow ended with %v", err)
	}
	value, err := c.QueryWorkflow(ctx, run.GetID(), "", "items")
	if err != nil {
		return fmt.Errorf("query after the close: %w", err)
	}
	var items []string
	if err := value.Get(&items); err != nil || len(items) != 0 {
		return fmt.Errorf("the clean-up left %v, %w", items, err)
	}
	return nil
}

func checkFailure(ctx context.Context, c client.Client, queue string) error {
	run, err := start(ctx, c, queue, nil)
	if err != nil {
		return err
	}
	var failed *temporal.ApplicationError
	if err := run.Get(ctx, nil); !errors.As(err, &failed) || failed.Type() != "EmptyOrder" || !failed.NonRetryable() {
		return fmt.Errorf("the workflow ended with %v", err)
	}
	return nil
}

func checkPayment(ctx context.Context, c client.Client, queue string) error {
	order := "order-" + uuid.NewString()
	options := client.StartWorkflowOptions{ID: "payment-" + uuid.NewString(), TaskQueue: queue}
	run, err := c.ExecuteWorkflow(ctx, options, Payment, order, []string{"bread"})
	if err != nil {
		return err
	}
	var runID, result string
	if err := run.Get(ctx, &runID); err != nil {
		return err
	}
	if err := c.GetWorkflow(ctx, order, runID).Get(ctx, &result); err != nil {
		return err
	}
	if want := "[bread] paid 42, packed on attempt 2, shipped"; result != want {
		return fmt.Errorf("result %q, not %q", result, want)
	}
	return nil
}
