//! Random requests to every method of the API: whatever comes in, the server lives, says what is wrong with a code that leads
//! nobody to send it again, says nothing of its inside, and goes on.
//!
//! `PERDURE_FUZZ_SEED` makes the same requests again; `PERDURE_FUZZ_MINUTES` goes on for so long (`cargo xtask fuzz`).

mod messages;
mod world;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use perdure_tests::{
    Database, Server,
    raw::{Options, RETRIED, Raw, descriptors, inside, methods},
};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use messages::Generator;
use world::World;

/// Requests to each method in a short run.
const ROUNDS: usize = 40;
/// Requests at the same time.
const PARALLEL: usize = 24;
/// A client that waits for something goes away after this.
const WAIT_MAX: Duration = Duration::from_millis(150);
/// Any other call is answered by then, on whatever machine.
const ANSWER_MAX: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_method_on_sqlite() -> Result<()> {
    fuzz("fuzz_sqlite", Database::fresh_sqlite_file("fuzz_sqlite")?).await
}

#[tokio::test]
async fn every_method_on_postgres() -> Result<()> {
    fuzz("fuzz_postgres", Database::fresh_postgres("fuzz").await?).await
}

async fn fuzz(name: &str, database: Database) -> Result<()> {
    let seed = number("PERDURE_FUZZ_SEED")?.unwrap_or_else(rand::random);
    let until = number("PERDURE_FUZZ_MINUTES")?.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    println!("PERDURE_FUZZ_SEED={seed}");
    let server = Server::start(name, database).await?;
    let pool = descriptors()?;
    let mut fuzzer = Fuzzer {
        random: StdRng::seed_from_u64(seed),
        raw: Raw::new(server.channel().await?),
        world: World::new(server.channel().await?).await?,
        told: BTreeMap::new(),
        wrong: Vec::new(),
    };
    let mut round = 0;
    while until.map_or(round < ROUNDS, |until| Instant::now() < until) && fuzzer.wrong.is_empty() {
        fuzzer.round(&pool).await?;
        round += 1;
        if round % 100 == 0 {
            println!("{round} rounds, {:?}", fuzzer.told);
        }
    }
    println!("{round} rounds, {:?}", fuzzer.told);
    ensure!(fuzzer.wrong.is_empty(), "{}", fuzzer.wrong.join("\n"));
    fuzzer.world.normal_workflow().await?;
    server.panics()?;
    server.complaints()
}

struct Fuzzer {
    random: StdRng,
    raw: Raw,
    world: World,
    /// How often each code came.
    told: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Fuzzer {
    /// One request to each method, in an order of its own.
    async fn round(&mut self, pool: &DescriptorPool) -> Result<()> {
        self.world.renew().await?;
        let mut methods = methods(pool);
        let mut running = JoinSet::new();
        while !methods.is_empty() {
            let method = methods.swap_remove(self.random.random_range(0..methods.len()));
            let mut known = self.world.known.clone();
            if method.name().ends_with("Namespace") {
                (known.namespace, known.other) = (world::PREY.into(), world::PREY.into());
            }
            let hurts = [None, None, Some(40), Some(6)][self.random.random_range(0..4)];
            let body = Generator { random: &mut self.random, pool, known: &known, hurts }.body(&method.input());
            if running.len() >= PARALLEL
                && let Some(done) = running.join_next().await
            {
                self.judge(done?);
            }
            running.spawn(send(self.raw.clone(), method, body));
        }
        while let Some(done) = running.join_next().await {
            self.judge(done?);
        }
        Ok(())
    }

    fn judge(&mut self, (method, body, answer): (MethodDescriptor, Bytes, Result<Bytes, Status>)) {
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        *self.told.entry(format!("{code:?}")).or_default() += 1;
        let Err(status) = answer else { return };
        let wrong = if code == Code::DeadlineExceeded {
            (!waits(method.name())).then_some("is not answered")
        } else if RETRIED.contains(&code) {
            Some("would be sent again")
        } else if inside(status.message()) {
            Some("tells of the inside")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            let body: String = body.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
            let message: String = status.message().chars().take(400).collect();
            self.wrong.push(format!("{} {wrong}: {code:?} {message:?}, request {body}", method.name()));
        }
    }
}

async fn send(raw: Raw, method: MethodDescriptor, body: Bytes) -> (MethodDescriptor, Bytes, Result<Bytes, Status>) {
    let patience = waits(method.name()).then_some(WAIT_MAX);
    let path = format!("{}/{}", method.parent_service().full_name(), method.name());
    let answer =
        raw.call(&path, body.clone(), Options { deadline: Some(ANSWER_MAX), patience, ..Options::default() }).await;
    (method, body, answer)
}

/// Calls that may wait for a worker or for a run.
fn waits(method: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "GetWorkflowExecutionHistory",
        "QueryWorkflow",
        "UpdateWorkflowExecution",
        "ExecuteMultiOperation",
        "DescribeActivityExecution",
        "DescribeNexusOperationExecution",
    ];
    method.starts_with("Poll") || OTHERS.contains(&method)
}

fn number(name: &str) -> Result<Option<u64>> {
    Ok(std::env::var(name).ok().map(|text| text.parse()).transpose()?)
}
