//! The server's figures for Prometheus: those that are counted as things happen, and those that are looked up when asked for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use core_types::agents::AgentRepository;
use core_types::deliveries::{DeliveryRepository, DeliveryState};
use core_types::system::{Figures, Machine};
use core_types::{ServiceError, ServiceResult};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of times, in seconds: from a read to a long run.
const SECONDS: [f64; 16] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];
/// Bounds of how much work one commit is for.
const JOBS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 128.0, 256.0];
/// How often what was counted is put together.
const EVERY: Duration = Duration::from_secs(5);

/// One for the process, since what counts is, too.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count. Where somebody else counts in this process already, there is nothing to show.
fn recorder() -> Option<PrometheusHandle> {
    let begin = || {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS).ok()?;
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), &JOBS).ok()?;
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(handle)
    };
    RECORDER.get_or_init(begin).clone()
}

fn describe() {
    describe_histogram!("doolittle_http_request_seconds", "Time from a request to the head of its answer");
    describe_histogram!("doolittle_database_seconds", "Time of reads, and of commits with their work");
    describe_histogram!("doolittle_database_commit_jobs", "Writes that one commit is for");
    describe_gauge!("doolittle_database_waiting_jobs", "Writes that waited when the last commit ended");
    describe_histogram!("doolittle_run_seconds", "Time from the claim of a message to the end of the run");
    describe_counter!("doolittle_deliveries_ended_total", "Messages that agents are done with, by what came of them");
    describe_gauge!("doolittle_deliveries_open", "Messages that agents are not done with");
    describe_counter!("doolittle_model_calls_total", "Calls of models");
    describe_histogram!("doolittle_model_call_seconds", "Time of calls of models");
    describe_counter!("doolittle_model_tokens_total", "Tokens that models read (input) and made (output), as providers count them");
    describe_gauge!("doolittle_agents", "Agents, and those of them that run");
    describe_gauge!("doolittle_resident_memory_bytes", "Memory of the process");
}

/// The figures of this server.
pub struct PrometheusFigures {
    recorder: Option<PrometheusHandle>,
    agents: Arc<dyn AgentRepository>,
    deliveries: Arc<dyn DeliveryRepository>,
    machine: Arc<dyn Machine>,
}

impl PrometheusFigures {
    /// Begins to count. To be made before what counts is.
    pub fn begin() -> Option<PrometheusHandle> {
        recorder()
    }

    /// Figures with what is looked up from these.
    pub fn new(
        recorder: Option<PrometheusHandle>,
        agents: Arc<dyn AgentRepository>,
        deliveries: Arc<dyn DeliveryRepository>,
        machine: Arc<dyn Machine>,
    ) -> Self {
        Self { recorder, agents, deliveries, machine }
    }

    async fn look_up(&self) -> ServiceResult<()> {
        let agents = self.agents.count().await?;
        gauge!("doolittle_agents", "state" => "all").set(whole(agents.total));
        gauge!("doolittle_agents", "state" => "running").set(whole(agents.running));
        gauge!("doolittle_resident_memory_bytes").set(whole(self.machine.memory().used));
        let open = self.deliveries.open().await?;
        for state in [DeliveryState::Pending, DeliveryState::Claimed] {
            let count = open.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
            gauge!("doolittle_deliveries_open", "state" => state.to_string()).set(whole(count));
        }
        Ok(())
    }
}

#[async_trait]
impl Figures for PrometheusFigures {
    async fn text(&self) -> ServiceResult<String> {
        let none = || ServiceError::Internal("another recorder of figures is in this process".into());
        let recorder = self.recorder.as_ref().ok_or_else(none)?;
        self.look_up().await?;
        Ok(recorder.render())
    }
}

/// Puts together what was counted, now and then, so that it does not grow between two readings.
pub async fn keep_small(recorder: Option<PrometheusHandle>) {
    let Some(recorder) = recorder else { return };
    loop {
        tokio::time::sleep(EVERY).await;
        recorder.run_upkeep();
    }
}

/// As precise as a figure is: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "figures of Prometheus are floating point")]
fn whole(number: u64) -> f64 {
    number as f64
}
