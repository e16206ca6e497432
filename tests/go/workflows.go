package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Shop holds the activities.
type Shop struct{}

// Pack fails once, so that the server has to retry it. It returns the attempt that worked.
func (*Shop) Pack(ctx context.Context, items []string) (int32, error) {
	if len(items) == 0 {
		return 0, temporal.NewNonRetryableApplicationError("nothing to pack", "EmptyOrder", nil)
	}
	attempt := activity.GetInfo(ctx).Attempt
	if attempt == 1 {
		return 0, errors.New("the box broke")
	}
	return attempt, nil
}

// Order waits for its payment, packs and ships. On cancellation it empties its list.
func Order(ctx workflow.Context, items []string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond},
	})
	if err := handlers(ctx, &items); err != nil {
		return "", err
	}
	paid := 0
	if len(items) > 0 {
		received, _ := workflow.GetSignalChannel(ctx, "pay").ReceiveWithTimeout(ctx, time.Hour, &paid)
		if !received {
			items = nil
			return "", ctx.Err()
		}
	}
	var shop *Shop
	var attempt int32
	if err := workflow.ExecuteActivity(ctx, shop.Pack, items).Get(ctx, &attempt); err != nil {
		return "", err
	}
	if err := workflow.Sleep(ctx, 50*time.Millisecond); err != nil {
		return "", err
	}
	var shipment string
	if err := workflow.ExecuteChildWorkflow(ctx, Shipment).Get(ctx, &shipment); err != nil {
		return "", err
	}
	return fmt.Sprintf("%v paid %d, packed on attempt %d, %s", items, paid, attempt, shipment), nil
}

func handlers(ctx workflow.Context, items *[]string) error {
	if err := workflow.SetQueryHandler(ctx, "items", func() ([]string, error) { return *items, nil }); err != nil {
		return err
	}
	add := func(_ workflow.Context, item string) (int, error) {
		*items = append(*items, item)
		return len(*items), nil
	}
	validate := func(item string) error {
		if item == "" {
			return errors.New("an item has a name")
		}
		return nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, "add", add, workflow.UpdateHandlerOptions{Validator: validate})
}

// Payment pays an order, which begins with it if there is none. It returns the order's run.
func Payment(ctx workflow.Context, order string, items []string) (string, error) {
	options := workflow.SignalWithStartWorkflowOptions{}
	var paid workflow.Execution
	err := workflow.SignalWithStartWorkflow(ctx, options, order, "pay", 42, Order, items).Get(ctx, &paid)
	return paid.RunID, err
}

// Shipment is a child workflow.
func Shipment(workflow.Context) (string, error) {
	return "shipped", nil
}
