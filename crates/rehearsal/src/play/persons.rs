//! What people do, and what they see.

use lambda_http::http::Method;
use nightly_asl::Instant;

use super::{Due, Play, Why};
use crate::functions::{Answer, Event, Function};
use crate::invariants;
use crate::people::{self, Deed, Page};
use crate::story::Temper;
use crate::world::Press;

/// Who can't reach the page tries so often.
const TRIES: u8 = 4;

impl Play<'_> {
    pub(super) fn does(&mut self, person: usize, deed: Deed) {
        match &deed {
            Deed::Receives { path, subject } => self.receives_mail(person, path, subject),
            Deed::Scans { path, method } => {
                let request = people::request(method.clone(), path, "", true);
                self.asks(person, request, deed);
            }
            Deed::Opens { path, .. } | Deed::IsSentOn { path, .. } => {
                let request = people::request(Method::GET, path, "", false);
                self.asks(person, request, deed);
            }
            Deed::Presses { path, form, .. } => {
                let by = self.story.people[person].address;
                self.world.presses.push(Press { at: self.now(), by, form: (*form).to_owned() });
                self.tell(by, format!("presses {form}"));
                let request = people::request(Method::POST, path, form, false);
                self.asks(person, request, deed);
            }
        }
    }

    fn receives_mail(&mut self, person: usize, path: &str, subject: &str) {
        let number = self.world.letters.iter().position(|letter| letter.path == path).unwrap_or(0) as u64;
        let mut chance = self.chance.of(("mail", person as u64, number));
        let who = &self.story.people[person];
        if who.scanner {
            for method in [Method::HEAD, Method::GET] {
                let after = chance.between(500, 6_000);
                self.queue.after_millis(after, Due::Does(person, Deed::Scans { path: path.to_owned(), method }));
            }
        }
        let temper = who.temper;
        let mind = &mut self.minds[person];
        if !subject.starts_with("Reminder") && !subject.starts_with("Last call") {
            mind.satisfied = false;
        }
        if mind.busy || mind.satisfied {
            return;
        }
        if let Some(after) = people::opens_after(temper, &mut chance) {
            mind.busy = true;
            self.queue.after_millis(after, Due::Does(person, Deed::Opens { path: path.to_owned(), tries: 0 }));
        }
    }

    /// A request goes through the API to the page's function.
    fn asks(&mut self, person: usize, request: lambda_http::Request, deed: Deed) {
        let mut chance = self.chance.of(("request", person as u64, self.now().0.unsigned_abs()));
        let after = self.grains(&mut chance, 10, 80);
        let why = Why::Person(person, deed, self.now());
        self.queue.after_millis(after, Due::Invoke(Function::ApprovalCallback, Box::new(Event::Http(Box::new(request))), why));
    }

    /// The answer is on the screen.
    pub(super) fn gets_answer(&mut self, person: usize, deed: &Deed, since: Instant, answer: &Answer) {
        let page = match answer {
            Answer::Page { status, body } => Page::read(*status, body),
            _ => Page { status: 500, title: "Internal Server Error".to_owned(), lead: String::new(), asks: false },
        };
        let (path, tries) = match deed {
            Deed::Opens { path, tries } | Deed::Presses { path, tries, .. } | Deed::IsSentOn { path, tries } => (path.clone(), *tries),
            Deed::Scans { path, .. } => return invariants::shown(self, person, path, &page, since),
            Deed::Receives { .. } => unreachable!("a mail asks for nothing"),
        };
        if page.status == 303 {
            return self.queue.after_millis(self.story.grain_millis, Due::Does(person, Deed::IsSentOn { path, tries }));
        }
        invariants::shown(self, person, &path, &page, since);
        let (address, temper) = (self.story.people[person].address, self.story.people[person].temper);
        self.tell(address, format!("is shown «{}»", page.title));
        if page.failed() {
            if tries < TRIES {
                self.queue.after_millis(60_000, Due::Does(person, Deed::Opens { path, tries: tries + 1 }));
            } else {
                self.minds[person].busy = false;
            }
            return;
        }
        let mind = &mut self.minds[person];
        let changes_their_mind = temper == Temper::ChangingTheirMind && matches!(deed, Deed::IsSentOn { .. }) && mind.pressed == 1;
        if changes_their_mind {
            // The old tab still shows the form.
            mind.pressed += 1;
            return self.queue.after_millis(20_000, Due::Does(person, Deed::Presses { path, form: people::REJECT, tries }));
        }
        if let Some(form) = people::presses(temper, mind.pressed, address).filter(|_| page.asks && mind.pressed < 4) {
            let number = u64::from(mind.pressed);
            mind.pressed += 1;
            let mut chance = self.chance.of(("press", person as u64, number));
            let after = if temper == Temper::Extending && number == 1 { 600_000 } else { self.grains(&mut chance, 3_000, 60_000) };
            let press = Deed::Presses { path, form, tries };
            self.queue.after_millis(after, Due::Does(person, press.clone()));
            if temper == Temper::DoubleClicking {
                let again = self.grains(&mut chance, 1, 120);
                self.queue.after_millis(after + again, Due::Does(person, press));
            }
        } else {
            mind.busy = false;
            mind.satisfied = true;
        }
    }
}
