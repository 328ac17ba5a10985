//! A source that answers from a list, and pauses that take no time.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{AskAgain, CurrencyCode, NoQuotes, Pauses, Quotes, RateSource};
use crate::RunDate;

/// Gives the answers that it was given, in turn, and keeps the questions.
#[derive(Debug, Default)]
pub struct ListedSource {
    answers: Mutex<VecDeque<Result<Quotes, NoQuotes>>>,
    questions: Mutex<Vec<(RunDate, CurrencyCode)>>,
}

impl ListedSource {
    /// A source that gives these answers, one a question.
    pub fn new(answers: impl IntoIterator<Item = Result<Quotes, NoQuotes>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), questions: Mutex::default() }
    }

    /// What was asked so far.
    pub fn questions(&self) -> Vec<(RunDate, CurrencyCode)> {
        lock(&self.questions).clone()
    }
}

impl RateSource for ListedSource {
    fn host(&self) -> &'static str {
        "rates.example"
    }

    fn ask(&self, date: RunDate, base: CurrencyCode) -> impl Future<Output = Result<Quotes, NoQuotes>> + Send {
        lock(&self.questions).push((date, base));
        let silence = || Err(NoQuotes { reason: "nothing more to say".into(), again: AskAgain::Never });
        ready(lock(&self.answers).pop_front().unwrap_or_else(silence))
    }
}

/// Keeps how long each pause would have been, and takes no time.
#[derive(Debug, Default)]
pub struct NotedPauses(Mutex<Vec<(Duration, Duration)>>);

impl NotedPauses {
    /// Each pause so far, shortest and longest.
    pub fn noted(&self) -> Vec<(Duration, Duration)> {
        lock(&self.0).clone()
    }
}

impl Pauses for NotedPauses {
    fn pause(&self, shortest: Duration, longest: Duration) -> impl Future<Output = ()> + Send {
        lock(&self.0).push((shortest, longest));
        ready(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
