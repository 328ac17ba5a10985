//! Whatever reaches an approver's link that is no press of the button on their own page changes nothing.
//!
//! `attacks/corpus.json` holds the requests, with what each is answered and whether it may change anything. The same corpus goes against a
//! handler of the usual kind, where to open the mailed link is to approve.

#![expect(clippy::unwrap_used, reason = "what goes wrong in here has failed the test")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use lambda_http::http::{HeaderName, HeaderValue, Method};
use lambda_http::{Body, Request, RequestExt};
use nightly_approval::Site;
use nightly_approval::follow_up::follow_up;
use nightly_domain::approval::{Approval, Approver, Asking, MailedLink, Notice, Question, Said};
use nightly_domain::history::ExecutionEnd;
use nightly_domain::link::{ApprovalId, Link, Secret, SecretHash};
use nightly_domain::memory::contract;
use nightly_domain::memory::{Gate, MemoryDesk, SentMail, Wait};
use nightly_domain::ports::{Approvals as _, Desk as _};
use serde::Deserialize;

use crate::project;

const A: &str = "a.berg@nordvik.example";
const B: &str = "b.osei@nordvik.example";
const DEPUTIES: [&str; 2] = ["d.lind@nordvik.example", "e.maes@nordvik.example"];
const APPROVE: &str = "decision=approve&seen=yes";

/// One request, as often as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    class: String,
    name: String,
    /// How far the question has come before.
    #[serde(default)]
    at: Moment,
    method: String,
    /// With `{…}` in the place of ids, secrets and whole links; `{A|cut}` is a secret that was tampered with.
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    body_bytes: Option<Vec<u8>>,
    /// Follows the body.
    #[serde(default)]
    body_repeated: Option<Repeated>,
    #[serde(default = "once")]
    times: usize,
    status: u16,
    /// Only a press of somebody's own button may.
    #[serde(default)]
    changes: bool,
}

#[derive(Debug, Deserialize)]
struct Repeated {
    of: String,
    times: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Moment {
    #[default]
    Open,
    Counted,
    HandedOn,
    Extended,
    Decided,
    Rejected,
    Overdue,
    Expired,
    Stopped,
}

fn once() -> usize {
    1
}

fn corpus() -> Vec<Attack> {
    serde_json::from_str(&project::read("tests/attacks/corpus.json")).unwrap()
}

/// The question, and another one, each with links that somebody could come by.
struct House {
    desk: MemoryDesk,
}

/// All that a request could change, but for who has looked.
#[derive(Debug, PartialEq)]
struct State {
    records: Vec<Option<Approval>>,
    waits: Vec<Option<Wait>>,
    mails: Vec<SentMail>,
    posts: usize,
}

fn id() -> ApprovalId {
    "night".parse().unwrap()
}

fn other() -> ApprovalId {
    "other-night".parse().unwrap()
}

fn site() -> Site {
    Site { environment: "local".to_owned(), base_url: "https://approve.example".to_owned(), status_page_url: None }
}

/// Their texts hold every character that base64 is written with in links and nowhere else.
fn secret(holder: char) -> Secret {
    Secret::new(
        [match holder {
            'A' => 248,
            'B' => 252,
            'S' => 244,
            'V' => 249,
            'O' => 253,
            _ => panic!("{holder} holds no link"),
        }; 32],
    )
}

fn written(holder: char) -> String {
    Link { approval: id(), secret: secret(holder) }.address("").rsplit('/').next().unwrap().to_owned()
}

fn question(id: &ApprovalId, attempt: u32, secrets: &[Secret; 2], required: u32) -> Question {
    let asked = contract::question(id, &[A, B], required);
    let approver = |(address, secret): (&str, &Secret)| {
        let links = vec![MailedLink { secret_hash: secret.hash(), notice: Notice::Question, sent_at: Some(asked.asked_at) }];
        Approver { links, ..Approver::new(address.parse().unwrap()) }
    };
    Question {
        approvers: [A, B].into_iter().zip(secrets).map(approver).collect(),
        deputies: DEPUTIES.map(|deputy| deputy.parse().unwrap()).to_vec(),
        task_token: format!("{id}-{attempt}").try_into().unwrap(),
        limit_at: asked.expires_at + SignedDuration::from_mins(15),
        ..asked.clone()
    }
}

impl House {
    async fn at(moment: Moment) -> Self {
        let required = if moment == Moment::Counted { 2 } else { 1 };
        let first = question(&id(), 1, &[secret('S'), Secret::new([245; 32])], required).first();
        let desk = MemoryDesk::behind(Gate::default(), first.asked_at + SignedDuration::from_mins(1));
        let Asking::Ask(asked) = question(&id(), 2, &[secret('A'), secret('B')], required).again(&first) else { panic!("it is put again") };
        let asked = asked.about_to_post(secret('V').hash()).announced(Said::Question(2), None);
        let another = question(&other(), 1, &[secret('O'), Secret::new([254; 32])], 1).first();
        for record in [&asked, &another] {
            desk.tasks.wait(&record.task_token);
            desk.approvals.replace(None, record).await.unwrap();
        }
        let house = Self { desk };
        match moment {
            Moment::Open => {}
            Moment::Counted | Moment::Decided => house.press(APPROVE).await,
            Moment::Rejected => house.press("decision=reject&reason=No.").await,
            Moment::HandedOn => house.press("decision=hand-on&to=d.lind%40nordvik.example").await,
            Moment::Extended => house.press("decision=extend").await,
            Moment::Overdue => house.desk.clock.advance(SignedDuration::from_hours(2)),
            Moment::Expired => {
                house.desk.clock.advance(SignedDuration::from_hours(2));
                house.desk.tasks.time_out(&asked.task_token);
                house.desk.approvals.expire(&id(), asked.expires_at).unwrap();
            }
            Moment::Stopped => {
                house.desk.tasks.time_out(&asked.task_token);
                house.desk.executions.end_with(&asked.execution_arn, ExecutionEnd::Aborted);
                let cancelled = asked.cancelled(ExecutionEnd::Aborted, asked.asked_at).unwrap();
                house.desk.approvals.replace(Some(&asked), &cancelled).await.unwrap();
            }
        }
        // What follows from all that is done, so that whatever changes from here on is the attack's doing.
        for record in [id(), other()].map(|id| house.desk.approvals.stored(&id).unwrap()) {
            follow_up(&house.desk, &site(), record).await.unwrap();
        }
        house
    }

    async fn press(&self, form: &str) {
        let mut request = Request::new(Body::from(form)).with_raw_http_path(expanded("{A-link}"));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        assert_eq!(self.answer(request).await.0, 303, "{form}");
    }

    /// The status, and all that is sent with it.
    async fn answer(&self, request: Request) -> (u16, String) {
        let answer = approval_callback::handle(&approval_callback::Ports { desk: self.desk.clone(), site: site() }, request).await;
        let body = String::from_utf8_lossy(answer.body().as_ref()).into_owned();
        (answer.status().as_u16(), format!("{:?}\n{body}", answer.headers()))
    }

    fn state(&self) -> State {
        let records = [id(), other()].map(|id| self.desk.approvals.stored(&id)).to_vec();
        let tokens = ["night-1", "night-2", "other-night-1"].map(|token| token.to_owned().try_into().unwrap());
        State {
            records,
            waits: tokens.iter().map(|token| self.desk.tasks.outcome(token)).collect(),
            mails: self.desk.mail.sent(),
            posts: self.desk.channel().unwrap().posted().len(),
        }
    }
}

/// A path with everything in its place.
fn expanded(template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        path += before;
        let value = match name.split_once('|') {
            None => match name {
                "id" => id().to_string(),
                "other-id" => other().to_string(),
                link if link.ends_with("-link") => format!("/approvals/{}/{}", id(), written(link.chars().next().unwrap())),
                holder => written(holder.chars().next().unwrap()),
            },
            Some(("id", "upper")) => id().as_str().to_ascii_uppercase(),
            Some((holder, how)) => tampered(&secret(holder.chars().next().unwrap()), how),
        };
        path.push_str(&value);
        rest = after;
    }
    path + rest
}

/// What people and machines make of a secret.
fn tampered(secret: &Secret, how: &str) -> String {
    let text = Link { approval: id(), secret: secret.clone() }.address("").rsplit('/').next().unwrap().to_owned();
    let encoded = |text: &str| text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
    let swapped = |letter: char| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
    let hash = || String::from(secret.hash());
    match how {
        "cut" => text[..text.len() - 1].to_owned(),
        "longer" => text + "A",
        "doubled" => text.repeat(2),
        "first-changed" => format!("A{}", &text[1..]),
        "last-changed" => format!("{}A", &text[..text.len() - 1]),
        "last-bit" => format!("{}{}", &text[..text.len() - 1], char::from(text.as_bytes()[text.len() - 1] + 1)),
        "swapped-case" => text.chars().map(swapped).collect(),
        "upper" => text.to_ascii_uppercase(),
        "lower" => text.to_ascii_lowercase(),
        "reversed" => text.chars().rev().collect(),
        "encoded" => encoded(&text),
        "encoded-one" => format!("{}{}", encoded(&text[..1]), &text[1..]),
        "encoded-twice" => encoded(&encoded(&text)),
        "padded" => text + "=",
        "standard" => text.replace('-', "+").replace('_', "/"),
        "hash" => hash(),
        // Whoever has read the table has this.
        "hash-base64" => Link { approval: id(), secret: Secret::new(bytes(&hash())) }.address("").rsplit('/').next().unwrap().to_owned(),
        "zeros" => "A".repeat(43),
        "empty" => String::new(),
        "blank" => "%20".to_owned(),
        "nul" => text + "%00",
        "newline" => text + "%0a",
        "wildcard" => "*".to_owned(),
        "null" => "null".to_owned(),
        "true" => "true".to_owned(),
        "sql" => "'%20OR%20'1'='1".to_owned(),
        "regex" => ".*".to_owned(),
        "unicode" => text.replace('P', "\u{ff30}"),
        "object" => "%7B%22$ne%22:null%7D".to_owned(),
        _ => panic!("nobody knows how to make «{how}»"),
    }
}

fn bytes(hex: &str) -> [u8; 32] {
    std::array::from_fn(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap())
}

impl Attack {
    fn request(&self) -> Request {
        let path = expanded(&self.path);
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let mut body = self.body_bytes.clone().unwrap_or_else(|| self.body.clone().into_bytes());
        if let Some(Repeated { of, times }) = &self.body_repeated {
            body.extend(of.repeat(*times).into_bytes());
        }
        let query: std::collections::HashMap<String, Vec<String>> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), vec![value.to_owned()]))
            .collect();
        let mut request = Request::new(Body::from(body)).with_raw_http_path(path).with_query_string_parameters(query);
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).unwrap();
        for (name, value) in &self.headers {
            request.headers_mut().insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(expanded(value)).unwrap());
        }
        request
    }
}

/// The handler that tutorials show: the mail holds a link, and to open it is to approve. The token is right or wrong, and that is all.
struct Naive {
    tokens: BTreeSet<String>,
    approved: bool,
}

impl Naive {
    /// The newest question's tokens, and the approvers' answers so far.
    fn at(moment: Moment) -> Self {
        let token = |holder| format!("{} {}", id(), written(holder));
        Self { tokens: ['A', 'B'].map(token).into(), approved: matches!(moment, Moment::Decided) }
    }

    /// Answers `GET /approve?id=…&token=…`. Routers answer HEAD with what answers GET, and frameworks decode the query.
    fn answer(&mut self, method: &str, path: &str) -> u16 {
        if !matches!(method, "GET" | "HEAD") {
            return 405;
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let Some((id, token)) = path.strip_prefix("/approvals/").and_then(|rest| rest.split_once('/')) else { return 404 };
        if !self.tokens.contains(&format!("{id} {}", decoded(token))) {
            return 404;
        }
        self.approved = true;
        200
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits =
            after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn no_attack_changes_anything_and_every_press_does() {
    let (mut attacks, mut presses, mut changed, mut wrong) = (0, 0, Vec::new(), Vec::new());
    for attack in corpus() {
        let house = House::at(attack.at).await;
        let before = house.state();
        let mut statuses = BTreeSet::new();
        for _ in 0..attack.times {
            let (status, said) = house.answer(attack.request()).await;
            statuses.insert(status);
            let told: Vec<_> = ['A', 'B', 'S', 'V', 'O'].into_iter().filter(|holder| said.contains(&written(*holder))).collect();
            assert!(told.is_empty(), "{}: {}: the answer holds the secret of {told:?}", attack.class, attack.name);
        }
        let has_changed = house.state() != before;
        if attack.changes {
            presses += 1;
        } else {
            attacks += 1;
        }
        if has_changed != attack.changes {
            changed.push(format!("{}: {}: changes {has_changed}", attack.class, attack.name));
        }
        if statuses != BTreeSet::from([attack.status]) {
            wrong.push(format!("{}: {}: {statuses:?}, not {}", attack.class, attack.name, attack.status));
        }
    }
    println!("{attacks} attacks: {} change anything; {presses} presses of a person's own button: all count", changed.len());
    assert!(changed.is_empty(), "{changed:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(attacks > 300 && presses >= 10, "a corpus without entries proves nothing");
}

/// What the corpus is worth: a handler of the usual kind falls for much of it.
#[tokio::test]
async fn a_handler_that_approves_when_a_link_is_opened_falls_for_the_same_attacks() {
    let mut classes: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for attack in corpus().iter().filter(|attack| !attack.changes) {
        let mut naive = Naive::at(attack.at);
        let approved = naive.approved;
        for _ in 0..attack.times {
            naive.answer(&attack.method, &expanded(&attack.path));
        }
        let house = House::at(attack.at).await;
        let before = house.state();
        house.answer(attack.request()).await;
        let (entries, fell, ours) = classes.entry(attack.class.clone()).or_default();
        *entries += 1;
        *fell += usize::from(naive.approved != approved);
        *ours += usize::from(house.state() != before);
    }
    println!("| attacks | entries | change the state here | change the state of «GET approves» |\n|---|---:|---:|---:|");
    for (class, (entries, fell, ours)) in &classes {
        println!("| {class} | {entries} | {ours} | {fell} |");
    }
    let all = classes.values().fold((0, 0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1, sum.2 + row.2));
    println!("| **all** | **{}** | **{}** | **{}** |", all.0, all.2, all.1);
    assert_eq!(all.2, 0, "none changes anything here");
    assert!(classes["scanners"].1 > 40, "what scanners do approves there");
    assert!(all.1 > 60, "the corpus finds the usual mistake");
}

/// That a secret's hash is no secret is what the corpus relies on where it tries the hash.
#[test]
fn the_tampered_secrets_are_others() {
    let right = secret('A').hash();
    for attack in corpus().iter().filter(|attack| attack.class == "forged secrets") {
        let path = expanded(&attack.path);
        let hash: Option<SecretHash> = Link::from_path(&path).map(|link| link.secret.hash());
        assert_ne!(hash, Some(right), "{}", attack.name);
    }
}
