//! One state, tried by itself.

use std::rc::Rc;

use nightly_asl::test_state::{Circumstances, TestStateError, test_state};
use nightly_asl::{Failure, Json, Task};
use serde_json::Value;

use crate::clock;
use crate::executions::StepFunctions;
use crate::refusal::Refusal;
use crate::scope::Scope;

impl StepFunctions {
    /// Tries a state. One that calls a task is tried once to see which, and once more with the answer: the engine doesn't wait.
    pub(crate) async fn test_state(self: &Rc<Self>, scope: &Scope, body: &str) -> Result<Value, Refusal> {
        let request: Value = serde_json::from_str(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
        let circumstances =
            Circumstances { at: self.clock.now(), region: scope.region.clone(), account: scope.account.clone(), seed: clock::seed() };
        let refused = |error: TestStateError| Refusal::new(error.name, error.message);
        let mut called: Option<Task> = None;
        let tried = test_state(&request, &circumstances, &mut |task| {
            called = Some(task.clone());
            Err(Failure::default())
        })
        .map_err(refused)?;
        let Some(task) = called else { return Ok(tried) };
        let answer = self.call(scope, &task).await.map(Json::from);
        test_state(&request, &circumstances, &mut |_| answer.clone()).map_err(refused)
    }
}
