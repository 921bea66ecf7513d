//! Which requests are in the figures: all of them.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use actix_web::rt::System;
use actix_web::test::TestRequest;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit};

use crate::support::Api;

type Seen = Arc<Mutex<Vec<String>>>;

/// Notes each request that is counted: its method, its route and its status.
struct Notes(Seen);

struct Note {
    labels: String,
    seen: Seen,
}

impl HistogramFn for Note {
    fn record(&self, _: f64) {
        self.seen.lock().unwrap().push(self.labels.clone());
    }
}

impl Recorder for Notes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        if key.name() != "doolittle_http_request_seconds" {
            return Histogram::noop();
        }
        let labels: Vec<&str> = key.labels().map(Label::value).collect();
        Histogram::from_arc(Arc::new(Note { labels: labels.join(" "), seen: Arc::clone(&self.0) }))
    }
}

async fn counted() -> Vec<String> {
    let seen = Seen::default();
    let notes = Notes(Arc::clone(&seen));
    let _noting = metrics::set_default_local_recorder(&notes);
    let api = Api::open();
    assert_eq!(api.get("/api/agents").await.status, 200);
    // From no address at all.
    assert_eq!(api.send(TestRequest::get().uri("/api/agents")).await.status, 403);
    assert_eq!(api.get("/api/nope").await.status, 404);
    assert_eq!(api.send(TestRequest::with_uri("/api/agents").method(Method::OPTIONS)).await.status, 204);
    *api.fakes.panics.lock().unwrap() = true;
    assert_eq!(api.get("/api/agents").await.status, 500);
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[test]
fn every_request_is_counted_whatever_became_of_it() {
    // Some figures are made once on each thread, of the recorder that it has then.
    let seen = std::thread::spawn(|| System::new().block_on(counted())).join().unwrap();
    assert_eq!(
        seen,
        ["GET /api/agents 2xx", "GET (other) 4xx", "GET (other) 4xx", "OTHER (preflight) 2xx", "GET (failed) 5xx"],
        "method, route and status"
    );
}
