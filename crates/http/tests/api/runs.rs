//! What agents did.

use core_types::runs::{RunFilter, RunStatus};
use core_types::{Page, Timestamp};
use serde_json::json;

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, NOW, RUN, USER};
use crate::support::Api;

fn path(rest: &str) -> String {
    format!("/api/agents/{AGENT}/{rest}")
}

#[actix_web::test]
async fn a_run_shows_how_long_it_took_and_what_it_counted() {
    let api = Api::open();
    *api.fakes.total.lock().unwrap() = 5;
    let counts = json!({"actions": 0, "modelCalls": 1, "errors": 0, "evaluators": 0});
    let run = json!({
        "runId": RUN, "status": "completed", "startedAt": NOW, "endedAt": NOW + 56, "durationMs": 56, "messageId": MESSAGE,
        "roomId": CHANNEL, "entityId": USER, "metadata": {"model": "m"}, "counts": counts,
    });
    assert_eq!(api.get(&path("runs")).await.data(200), json!({"runs": [run], "total": 5, "hasMore": true}));
    assert_eq!(api.get(&path("runs?offset=4")).await.data(200)["hasMore"], false);

    let detail = api.get(&path(&format!("runs/{RUN}"))).await.data(200);
    assert_eq!(detail["summary"], run);
    assert_eq!(detail["events"], json!([{"type": "RUN_ENDED", "timestamp": NOW, "data": {"status": "error"}}]));
    let unknown = api.get(&path(&format!("runs/{MESSAGE}"))).await.data(200);
    let nothing = json!({"actions": 0, "modelCalls": 0, "errors": 0, "evaluators": 0});
    let summary = json!({"runId": MESSAGE, "status": "started", "entityId": AGENT, "counts": nothing});
    assert_eq!(unknown, json!({"summary": summary, "events": []}));
}

#[actix_web::test]
async fn runs_are_filtered_and_paged() {
    let all = RunFilter::default();
    let status = |status| RunFilter { status: Some(status), ..all };
    for (query, filter, offset, limit) in [
        ("", all, 0, 20),
        ("?limit=500&offset=7", all, 7, 100),
        ("?status=completed", status(RunStatus::Completed), 0, 20),
        ("?status=ERROR", status(RunStatus::Error), 0, 20),
        ("?status=started", status(RunStatus::Started), 0, 20),
        ("?status=all", all, 0, 20),
        ("?status=nonsense", all, 0, 20),
        ("?from=5&to=6", RunFilter { from: Some(Timestamp::from_millis(5)), to: Some(Timestamp::from_millis(6)), ..all }, 0, 20),
    ] {
        let api = Api::open();
        assert_eq!(api.get(&path(&format!("runs{query}"))).await.status, 200);
        assert_eq!(api.fakes.calls(), [Call::Runs(filter, Page { offset, limit })], "{query}");
    }
    for (query, code) in [("roomId=zz", "INVALID_ID"), ("limit=abc", "BAD_REQUEST"), ("from=x", "BAD_REQUEST")] {
        Api::open().get(&path(&format!("runs?{query}"))).await.error(400, code);
    }
    Api::open().get(&path("runs/zzz")).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn a_log_line_is_deleted_and_panels_are_none() {
    let api = Api::open();
    assert_eq!(api.delete(&path(&format!("logs/{MESSAGE}"))).await.status, 204);
    assert_eq!(api.fakes.calls(), [Call::RemoveLog(MESSAGE.parse().unwrap())]);
    api.delete(&path("logs/zzz")).await.error(400, "INVALID_ID");
    assert_eq!(api.get(&path("panels")).await.data(200), json!([]));
}
