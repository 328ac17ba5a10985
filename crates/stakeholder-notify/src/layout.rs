//! Where the boxes of a graph stand and how its lines run, in columns for wide screens or in rows for narrow ones.
//!
//! Steps stand in layers, each behind everything that it follows, and those of a layer in the order that keeps lines short. A line that
//! passes a layer has a lane of its own there. Where two or more steps wait for the same two or more, their lines meet in a bar, as where
//! one Parallel follows another.

use std::collections::BTreeMap;
use std::fmt::Write;

/// Which way the night runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Across,
    Down,
}

/// A box, by its upper left corner, in pixels of the drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// A line, as the data of an SVG path, and the steps that it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) path: String,
    /// The triangle at its end, if it ends at a box. A marker would be shared by its id, and two drawings would share it.
    pub(crate) point: Option<String>,
    pub(crate) to: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) width: i32,
    pub(crate) height: i32,
    /// A box for each step.
    pub(crate) slots: Vec<Slot>,
    pub(crate) lines: Vec<Line>,
}

/// How many columns stand beside each other before the drawing goes on below.
const MOST_COLUMNS: usize = 9;

/// Draws steps, each given by the steps before it that it follows.
pub(crate) fn draw(after: &[Vec<usize>], flow: Flow) -> Drawing {
    let plan = Arrangement::of(after);
    match flow {
        Flow::Across => across(&plan),
        Flow::Down => down(&plan),
    }
}

/// What leads to a step, or to a bar from which lines lead on to several.
#[derive(Debug)]
struct Wire {
    from: usize,
    end: usize,
}

/// Where wires end: in front of one step, or in a bar in front of several.
#[derive(Debug)]
struct End {
    layer: usize,
    to: Vec<usize>,
    is_bar: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Step(usize),
    /// Where a wire passes.
    Lane(usize),
}

#[derive(Debug)]
struct Arrangement {
    layer_of: Vec<usize>,
    layers: Vec<Vec<Item>>,
    wires: Vec<Wire>,
    ends: Vec<End>,
}

impl Arrangement {
    fn of(after: &[Vec<usize>]) -> Self {
        let mut layer_of: Vec<usize> = Vec::with_capacity(after.len());
        for before in after {
            layer_of.push(before.iter().map(|step| layer_of[*step] + 1).max().unwrap_or(0));
        }
        let mut together: BTreeMap<&[usize], Vec<usize>> = BTreeMap::new();
        for (step, before) in after.iter().enumerate().filter(|(_, before)| !before.is_empty()) {
            together.entry(before).or_default().push(step);
        }
        let (mut ends, mut wires) = (Vec::new(), Vec::new());
        for (before, steps) in together {
            let layer = layer_of[steps[0]];
            let is_bar = before.len() > 1 && steps.len() > 1;
            let groups = if is_bar { vec![steps] } else { steps.into_iter().map(|step| vec![step]).collect() };
            for to in groups {
                wires.extend(before.iter().map(|from| Wire { from: *from, end: ends.len() }));
                ends.push(End { layer, to, is_bar });
            }
        }
        let mut layers = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
        for (step, layer) in layer_of.iter().enumerate() {
            layers[*layer].push(Item::Step(step));
        }
        for (number, wire) in wires.iter().enumerate() {
            for passed in &mut layers[layer_of[wire.from] + 1..ends[wire.end].layer] {
                passed.push(Item::Lane(number));
            }
        }
        let mut plan = Self { layer_of, layers, wires, ends };
        for _ in 0..4 {
            plan.order(1..plan.layers.len(), -1);
            plan.order((0..plan.layers.len().saturating_sub(1)).rev(), 1);
        }
        plan
    }

    /// Orders each layer by where its items' neighbours stand in the layer before or behind it.
    fn order(&mut self, layers: impl Iterator<Item = usize>, towards: isize) {
        for layer in layers {
            let Some(beside) = layer.checked_add_signed(towards) else { continue };
            let place = |item: Item| self.layers[beside].iter().position(|it| *it == item);
            let mut items: Vec<(usize, usize, Item)> = Vec::new();
            for (index, item) in self.layers[layer].iter().enumerate() {
                let places: Vec<_> = self.beside(*item, layer, towards).into_iter().filter_map(place).collect();
                // A layer is as high as any other: its middle is everybody's.
                let scale = |place: usize| (2 * place + 1) * 10_000 / self.layers[beside].len().max(1);
                let own = (2 * index + 1) * 10_000 / self.layers[layer].len();
                let middle = places.iter().map(|place| scale(*place)).sum::<usize>().checked_div(places.len()).unwrap_or(own);
                items.push((middle, index, *item));
            }
            items.sort_unstable();
            self.layers[layer] = items.into_iter().map(|(_, _, item)| item).collect();
        }
    }

    /// The items that an item is bound to in the layer before it (`towards` -1) or behind it (1).
    fn beside(&self, item: Item, layer: usize, towards: isize) -> Vec<Item> {
        let mut found = Vec::new();
        for (number, wire) in self.wires.iter().enumerate() {
            let (first, last) = (self.layer_of[wire.from], self.ends[wire.end].layer);
            let at = |layer: usize| match layer {
                layer if layer == first => vec![Item::Step(wire.from)],
                layer if layer == last => self.ends[wire.end].to.iter().copied().map(Item::Step).collect(),
                _ => vec![Item::Lane(number)],
            };
            if (first..=last).contains(&layer)
                && at(layer).contains(&item)
                && let Some(beside) = layer.checked_add_signed(towards).filter(|beside| (first..=last).contains(beside))
            {
                found.extend(at(beside));
            }
        }
        found
    }

    fn steps_in(&self, layer: usize) -> usize {
        self.layers[layer].iter().filter(|item| matches!(item, Item::Step(_))).count()
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn across(plan: &Arrangement) -> Drawing {
    const WIDTH: i32 = 1_121;
    const ROW: i32 = 100;
    const LANE: i32 = 30;
    let columns = plan.layers.len();
    let bands = columns.div_ceil(MOST_COLUMNS).max(1);
    let beside = columns.div_ceil(bands);
    let margin = if bands > 1 { 14 } else { 1 };
    let box_width = if beside > 8 { 104 } else { 118 };
    let pitch = ((WIDTH - 1 - 2 * margin + 1 - box_width) / number(beside).saturating_sub(1).max(1)).min(143);
    let item_height = |item: &Item| if matches!(item, Item::Step(_)) { ROW } else { LANE };
    let layer_height = |layer: &Vec<Item>| layer.iter().map(item_height).sum::<i32>();

    let mut slots = vec![Slot { x: 0, y: 0, width: box_width, height: 70 }; plan.layer_of.len()];
    let mut passages: BTreeMap<(usize, usize), i32> = BTreeMap::new();
    let mut band_ends = Vec::new();
    let mut top = 1;
    for (band, layers) in plan.layers.chunks(beside.max(1)).enumerate() {
        let height = layers.iter().map(layer_height).max().unwrap_or(0);
        for (column, layer) in layers.iter().enumerate() {
            let mut y = top + (height - layer_height(layer)) / 2;
            for item in layer {
                match item {
                    Item::Step(step) => (slots[*step].x, slots[*step].y) = (margin + pitch * number(column), y),
                    Item::Lane(wire) => drop(passages.insert((*wire, band * beside + column), y + LANE / 2)),
                }
                y += item_height(item);
            }
        }
        top += height;
        band_ends.push(top - 2);
        top += 14;
    }

    let left_of = |layer: usize| margin + pitch * number(layer % beside.max(1));
    let middle = |step: usize| slots[step].y + slots[step].height / 2;
    let gap = (pitch - box_width).max(0);
    let mut lines = Vec::new();
    for (number, wire) in plan.wires.iter().enumerate() {
        let end = &plan.ends[wire.end];
        let (mut x, mut y) = (slots[wire.from].x + box_width, middle(wire.from));
        let mut path = format!("M{x} {y}");
        for layer in plan.layer_of[wire.from] + 1..=end.layer {
            let left = left_of(layer);
            let is_last = layer == end.layer;
            let (to_x, to_y) = match (is_last, end.is_bar) {
                (false, _) => (left, passages[&(number, layer)]),
                (true, false) => (left - 5, middle(end.to[0])),
                (true, true) => (left - gap / 2 - 2, y),
            };
            if layer % beside == 0 {
                // On below, from the left.
                let between = band_ends[layer / beside - 1];
                let to_y = if is_last && end.is_bar { middle(end.to[0]) } else { to_y };
                write!(path, "H{}V{between}H{}V{to_y}H{to_x}", x + 7, left - 11).expect("text grows");
                y = to_y;
            } else if y == to_y {
                write!(path, "H{to_x}").expect("text grows");
            } else {
                write!(path, "C{0} {y} {0} {to_y} {to_x} {to_y}", i32::midpoint(x, to_x)).expect("text grows");
                y = to_y;
            }
            x = to_x;
            if !is_last {
                x = left + box_width;
                write!(path, "H{x}").expect("text grows");
            }
        }
        let point = (!end.is_bar).then(|| format!("M{x} {}l4.5 3-4.5 3z", y - 3));
        lines.push(Line { path, point, to: end.to.clone() });
    }
    for (number, end) in plan.ends.iter().enumerate().filter(|(_, end)| end.is_bar) {
        let x = left_of(end.layer) - gap / 2 - 2;
        let arriving = plan.wires.iter().enumerate().filter(|(_, wire)| wire.end == number).map(|(wire, it)| {
            let before = end.layer - 1;
            if end.layer % beside == 0 {
                middle(end.to[0])
            } else {
                passages.get(&(wire, before)).copied().unwrap_or_else(|| middle(it.from))
            }
        });
        let heights: Vec<i32> = arriving.chain(end.to.iter().map(|step| middle(*step))).collect();
        let (highest, lowest) = (heights.iter().min().copied().unwrap_or(0), heights.iter().max().copied().unwrap_or(0));
        lines.push(Line { path: format!("M{x} {highest}V{lowest}"), point: None, to: end.to.clone() });
        for step in &end.to {
            let (to_x, y) = (slots[*step].x - 5, middle(*step));
            lines.push(Line { path: format!("M{x} {y}H{to_x}"), point: Some(format!("M{to_x} {}l4.5 3-4.5 3z", y - 3)), to: vec![*step] });
        }
    }
    Drawing { width: WIDTH, height: top - 14, slots, lines }
}

fn down(plan: &Arrangement) -> Drawing {
    const WIDTH: i32 = 329;
    const BOX: i32 = 54;
    const GAP: i32 = 30;
    const STACKED: i32 = 8;
    // A line that passes a layer goes down at the side.
    let passing: Vec<usize> =
        (0..plan.wires.len()).filter(|wire| plan.ends[plan.wires[*wire].end].layer > plan.layer_of[plan.wires[*wire].from] + 1).collect();
    let margin = 10 * number(passing.len().min(3));
    let room = WIDTH - margin;
    let half = (room - 9) / 2;

    let mut slots = vec![Slot { x: 0, y: 0, width: half, height: BOX }; plan.layer_of.len()];
    let mut tops = Vec::new();
    let mut y = 1;
    for (index, layer) in plan.layers.iter().enumerate() {
        tops.push(y);
        let steps: Vec<usize> = layer.iter().filter_map(|item| if let Item::Step(step) = item { Some(*step) } else { None }).collect();
        for pair in steps.chunks(2) {
            match pair {
                [left, right] => {
                    (slots[*left].x, slots[*left].y) = (margin + 1, y);
                    (slots[*right].x, slots[*right].y) = (WIDTH - 1 - half, y);
                }
                [only] => {
                    let width = 172.min(room - 2);
                    slots[*only] = Slot { x: margin + (room - width) / 2, y, width, height: BOX };
                }
                _ => {}
            }
            y += BOX + STACKED;
        }
        y += GAP - STACKED;
        debug_assert!(plan.steps_in(index) > 0, "a layer has a step");
    }

    let middle = |step: usize| slots[step].x + slots[step].width / 2;
    // Lines into one box stand apart, in the order of where they come from.
    let mut entrances: BTreeMap<usize, Vec<(i32, usize)>> = BTreeMap::new();
    for (wire, it) in plan.wires.iter().enumerate().filter(|(_, it)| !plan.ends[it.end].is_bar) {
        let from = if passing.contains(&wire) { 0 } else { middle(it.from) };
        entrances.entry(plan.ends[it.end].to[0]).or_default().push((from, wire));
    }
    for wires in entrances.values_mut() {
        wires.sort_unstable();
    }
    let entrance = |step: usize, wire: usize| {
        let wires = &entrances[&step];
        let place = wires.iter().position(|(_, it)| *it == wire).unwrap_or(0);
        middle(step) + 20 * number(place) - 10 * (number(wires.len()) - 1)
    };
    let curve = |path: &mut String, (x, y): (i32, i32), (to_x, to_y): (i32, i32)| {
        if x == to_x { write!(path, "V{to_y}") } else { write!(path, "C{x} {0} {to_x} {0} {to_x} {to_y}", i32::midpoint(y, to_y)) }
            .expect("text grows");
    };
    let mut lines = Vec::new();
    for (number, wire) in plan.wires.iter().enumerate() {
        let end = &plan.ends[wire.end];
        let mut at = (middle(wire.from), slots[wire.from].y + BOX);
        let mut path = format!("M{} {}", at.0, at.1);
        if let Some(lane) = passing.iter().position(|it| *it == number) {
            let x = 4 + 10 * i32::try_from(lane % 3).unwrap_or(0);
            let next = (x, tops[plan.layer_of[wire.from] + 1]);
            curve(&mut path, at, next);
            at = (x, tops[end.layer] - GAP);
            write!(path, "V{}", at.1).expect("text grows");
        }
        let to = if end.is_bar { (at.0, tops[end.layer] - GAP / 2 - 2) } else { (entrance(end.to[0], number), slots[end.to[0]].y - 5) };
        curve(&mut path, at, to);
        let point = (!end.is_bar).then(|| format!("M{} {}l3 4.5 3-4.5z", to.0 - 3, to.1));
        lines.push(Line { path, point, to: end.to.clone() });
    }
    for (number, end) in plan.ends.iter().enumerate().filter(|(_, end)| end.is_bar) {
        let y = tops[end.layer] - GAP / 2 - 2;
        let arriving = plan.wires.iter().enumerate().filter(|(_, wire)| wire.end == number).map(|(wire, it)| {
            passing.iter().position(|it| *it == wire).map_or_else(|| middle(it.from), |lane| 4 + 10 * i32::try_from(lane % 3).unwrap_or(0))
        });
        let places: Vec<i32> = arriving.chain(end.to.iter().map(|step| middle(*step))).collect();
        let (left, right) = (places.iter().min().copied().unwrap_or(0), places.iter().max().copied().unwrap_or(0));
        lines.push(Line { path: format!("M{left} {y}H{right}"), point: None, to: end.to.clone() });
        for step in &end.to {
            let (x, to_y) = (middle(*step), slots[*step].y - 5);
            lines.push(Line { path: format!("M{x} {y}V{to_y}"), point: Some(format!("M{} {to_y}l3 4.5 3-4.5z", x - 3)), to: vec![*step] });
        }
    }
    Drawing { width: WIDTH, height: y - GAP + 1, slots, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The night as it is: two branches, a barrier, two branches, a chain.
    fn night() -> Vec<Vec<usize>> {
        vec![vec![], vec![], vec![0], vec![1], vec![2, 3], vec![2, 3], vec![4, 5], vec![6], vec![7], vec![8], vec![9]]
    }

    fn assert_drawable(after: &[Vec<usize>]) {
        for flow in [Flow::Across, Flow::Down] {
            let drawing = draw(after, flow);
            assert_eq!(drawing.slots.len(), after.len());
            for (index, one) in drawing.slots.iter().enumerate() {
                assert!(one.x >= 0 && one.x + one.width <= drawing.width, "{flow:?}: {one:?} is inside of {}", drawing.width);
                assert!(one.y >= 0 && one.y + one.height <= drawing.height, "{flow:?}: {one:?} is inside of {}", drawing.height);
                for other in &drawing.slots[..index] {
                    let apart = one.x + one.width <= other.x
                        || other.x + other.width <= one.x
                        || one.y + one.height <= other.y
                        || other.y + other.height <= one.y;
                    assert!(apart, "{flow:?}: {one:?} and {other:?} of {after:?}");
                }
            }
            for (step, before) in after.iter().enumerate() {
                let arriving = drawing.lines.iter().filter(|line| line.point.is_some() && line.to == [step]).count();
                assert_eq!(arriving > 0, !before.is_empty(), "{flow:?}: something leads to step {step} of {after:?}");
            }
        }
    }

    #[test]
    fn the_night_stands_in_two_rows_that_become_one() {
        let drawing = draw(&night(), Flow::Across);
        let rows: Vec<_> = drawing.slots.iter().map(|slot| slot.y).collect();
        assert_eq!(rows, [1, 101, 1, 101, 1, 101, 51, 51, 51, 51, 51]);
        assert_eq!((drawing.width, drawing.height), (1_121, 201));
        assert!(
            drawing.lines.iter().any(|line| line.path == "M273 36V136"),
            "both fetch and join wait for both branches: {:?}",
            drawing.lines
        );
        assert_drawable(&night());
    }

    #[test]
    fn a_line_that_passes_a_step_has_its_own_lane() {
        let after = vec![vec![], vec![0], vec![0, 1]];
        let drawing = draw(&after, Flow::Across);
        let (passed, long) = (&drawing.slots[1], drawing.lines.iter().find(|line| line.path.matches('C').count() == 2));
        assert!(long.is_some(), "{:?}", drawing.lines);
        assert!(passed.y > 1 || drawing.height > 100, "there is room for it");
        assert_drawable(&after);
    }

    #[test]
    fn a_long_chain_goes_on_below() {
        let after: Vec<Vec<usize>> = (0..25).map(|step: usize| step.checked_sub(1).into_iter().collect()).collect();
        let drawing = draw(&after, Flow::Across);
        assert_eq!(drawing.slots.iter().filter(|slot| slot.x == drawing.slots[0].x).count(), 3);
        assert_drawable(&after);
    }

    #[test]
    fn anything_can_be_drawn() {
        // Numbers that look random and are the same every time.
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((state >> 33) % below).unwrap()
        };
        for _ in 0..400 {
            let steps = next(30);
            let after: Vec<Vec<usize>> = (0..steps)
                .map(|step| {
                    let mut before: Vec<usize> = (0..next(4)).filter(|_| step > 0).map(|_| next(step as u64)).collect();
                    before.sort_unstable();
                    before.dedup();
                    before
                })
                .collect();
            assert_drawable(&after);
        }
    }
}
