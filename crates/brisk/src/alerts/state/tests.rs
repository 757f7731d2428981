//! Text tables of rows, ticks and crashes, and what is told.

use super::*;

fn policy() -> Policy {
    Policy { group_wait_ms: 1, group_interval_ms: 10, repeat_interval_ms: 100, resolve_after_ms: None, send_resolved: true, max_alerts: 1000 }
}

fn change(word: &str) -> RowChange {
    match word {
        "fire" => RowChange::Firing,
        "resolve" => RowChange::Resolved,
        "add" => RowChange::Added,
        "remove" => RowChange::Removed,
        "delete" => RowChange::Deleted,
        other => panic!("{other}"),
    }
}

fn keys(alerts: &[Alert]) -> String {
    alerts.iter().map(|a| a.key.as_str()).collect::<Vec<_>>().join(",")
}

/// Plays lines of `TIME COMMAND [KEY [SEVERITY]] [= what is told]`. A key `x/1` is of group `x`. `mute KEY` and `mute`
/// set what is silenced; `crash` restores from the checkpoint that `save` took, with what was told until then.
fn check(policy: &Policy, script: &str) {
    let mut state = State::new(policy.clone());
    let mut told = BTreeMap::new();
    let (mut saved, mut fresh): (Vec<Alert>, bool) = (Vec::new(), true);
    let mut muted = String::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (command, expected) = line.split_once('=').map_or((line, ""), |(c, e)| (c, e.trim()));
        let words: Vec<&str> = command.split_whitespace().collect();
        let now: i64 = words[0].parse().expect("a time");
        let mut seen = Vec::new();
        match words[1] {
            "tick" => {
                let is_muted = |a: &Alert| a.key == muted;
                for action in state.step(Event::Tick { muted: &is_muted }, now) {
                    let Action::Notify(n) = action else { continue };
                    for alert in n.firing.iter().chain(&n.resolved) {
                        told.insert(alert.key.clone(), Told { step: alert.step, at_ms: now });
                    }
                    let again = if n.repeated { " again" } else { "" };
                    seen.push(format!("[{}]{again} +{} -{} of {}", n.group, keys(&n.firing), keys(&n.resolved), n.active));
                }
            }
            "mute" => muted = words.get(2).unwrap_or(&"").to_string(),
            "save" => (saved, fresh) = (state.alerts().cloned().collect(), false),
            "crash" => {
                state = State::new(policy.clone());
                state.restore(saved.clone(), told.clone(), fresh, now);
            }
            "due" => seen.extend(state.deadline().map(|d| d.to_string())),
            word => {
                let key = words[2].to_owned();
                let group = key.split_once('/').map_or("", |(g, _)| g).to_owned();
                let severity = words.get(3).unwrap_or(&"").to_string();
                for action in state.step(Event::Row(Row { key, group, severity, change: change(word), ..Row::default() }), now) {
                    if let Action::Forgot(key) = action {
                        seen.push(format!("forgot {key}"));
                    }
                }
            }
        }
        assert_eq!(seen.join("; "), expected, "at `{line}`");
    }
}

#[test]
fn a_group_is_told_after_its_wait_and_then_at_its_interval() {
    check(
        &policy(),
        "0 fire x/a
         0 fire x/b
         0 fire y/c
         0 due = 1
         0 tick
         1 tick = [x] +x/a,x/b - of 2; [y] +y/c - of 1
         2 fire x/d
         2 fire x/a
         2 tick
         2 due = 11
         11 tick = [x] +x/d - of 3
         12 resolve x/a
         12 resolve x/b
         20 tick
         21 tick = [x] + -x/a,x/b of 1",
    );
}

#[test]
fn what_fires_on_is_repeated() {
    check(
        &policy(),
        "0 fire a
         1 tick = [] +a - of 1
         100 tick
         101 tick = [] again +a - of 1
         150 fire b
         150 tick = [] +b - of 2
         249 tick
         250 tick = [] again +a,b - of 2",
    );
}

#[test]
fn what_nobody_heard_of_is_not_resolved() {
    check(
        &policy(),
        "0 fire a
         0 resolve a
         1 tick
         5 fire a
         6 tick = [] +a - of 1
         7 resolve a
         8 fire a
         16 tick
         20 resolve a
         20 tick = [] + -a of 0
         21 fire a
         25 tick
         30 tick = [] +a - of 1
         31 resolve b
         31 delete b
         31 remove c
         60 tick",
    );
}

#[test]
fn a_worse_severity_is_news() {
    check(
        &policy(),
        "0 fire a warning
         1 tick = [] +a - of 1
         12 fire a warning
         12 tick
         13 fire a critical
         13 tick = [] +a - of 1
         30 resolve a
         30 tick = [] + -a of 0",
    );
}

#[test]
fn silence_holds_back_and_does_not_lose() {
    check(
        &policy(),
        "0 mute a
         0 fire a
         0 fire b
         1 tick = [] +b - of 2
         11 tick
         12 mute
         21 tick = [] +a - of 2
         22 mute b
         22 resolve b
         31 tick
         32 mute
         41 tick = [] + -b of 1",
    );
}

#[test]
fn events_end_when_none_came_for_a_while() {
    check(
        &Policy { resolve_after_ms: Some(50), ..policy() },
        "0 add a
         1 tick = [] +a - of 1
         30 add a
         50 tick
         79 due = 80
         80 tick = [] + -a of 0
         90 add a
         91 tick = [] +a - of 1",
    );
    check(&Policy { send_resolved: false, ..policy() }, "0 fire a\n 1 tick = [] +a - of 1\n 20 resolve a\n 40 tick\n 50 fire a\n 51 tick = [] +a - of 1");
}

#[test]
fn rows_without_a_key_count() {
    check(
        &policy(),
        "0 add a
         0 add a
         1 tick = [] +a - of 1
         2 remove a
         20 tick
         21 remove a
         21 add a
         21 tick
         22 remove a
         22 tick = [] + -a of 0",
    );
}

#[test]
fn a_crash_neither_repeats_nor_forgets() {
    // All that was told after the checkpoint is replayed and not told again.
    check(
        &policy(),
        "0 fire a
         0 fire b
         1 tick = [] +a,b - of 2
         2 save
         12 resolve a
         12 tick = [] + -a of 1
         30 fire a
         30 tick = [] +a - of 2
         31 crash
         31 resolve a
         32 tick
         33 fire a
         50 tick
         60 resolve b
         60 tick = [] + -b of 1
         160 tick = [] again +a - of 1",
    );
    // What was not told yet is told after it.
    check(
        &policy(),
        "0 fire a
         0 save
         0 crash
         0 tick
         1 tick = [] +a - of 1
         20 resolve a
         20 save
         20 crash
         21 tick = [] + -a of 0",
    );
    // An alert that came, went and was told both, after the checkpoint.
    check(
        &policy(),
        "0 save
         0 fire a
         1 tick = [] +a - of 1
         20 resolve a
         20 tick = [] + -a of 0
         21 crash
         21 fire a
         22 tick
         23 resolve a
         50 tick
         51 fire a
         52 tick = [] +a - of 1",
    );
}

/// Draws rows, ticks, checkpoints and crashes; rows since the checkpoint come again after a crash. No step of an alert
/// may be told twice, and at the end people know what is.
#[test]
fn drawn_crashes_neither_repeat_nor_forget() {
    for seed in 1..300_u64 {
        let mut random = seed;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let policy = Policy { repeat_interval_ms: i64::MAX / 2, ..policy() };
        let mut state = State::new(policy.clone());
        let (mut told, mut steps) = (BTreeMap::new(), BTreeSet::new());
        let (mut saved, mut since): (Vec<Alert>, Vec<Row>) = (Vec::new(), Vec::new());
        let mut tick = |state: &mut State, told: &mut BTreeMap<String, Told>, now: i64| {
            for action in state.step(Event::Tick { muted: &|_| false }, now) {
                let Action::Notify(n) = action else { continue };
                for alert in n.firing.iter().chain(&n.resolved) {
                    assert!(steps.insert((alert.key.clone(), alert.step)), "seed {seed}: {} {} was told twice", alert.key, alert.step);
                    told.insert(alert.key.clone(), Told { step: alert.step, at_ms: now });
                }
            }
        };
        let mut now = 0;
        for _ in 0..200 {
            now += draw(8) as i64;
            match draw(10) {
                0 => {
                    saved = state.alerts().cloned().collect();
                    since.clear();
                }
                1 => {
                    state = State::new(policy.clone());
                    state.restore(saved.clone(), told.clone(), false, now);
                    for row in &since {
                        now += draw(3) as i64;
                        state.step(Event::Row(row.clone()), now);
                        tick(&mut state, &mut told, now);
                    }
                }
                2..=5 => tick(&mut state, &mut told, now),
                _ => {
                    let key = ["a", "b", "x/c"][draw(3) as usize].to_owned();
                    let group = key.split_once('/').map_or("", |(g, _)| g).to_owned();
                    let change = if draw(2) == 0 { RowChange::Firing } else { RowChange::Resolved };
                    let row = Row { key, group, change, ..Row::default() };
                    since.push(row.clone());
                    state.step(Event::Row(row), now);
                }
            }
        }
        for _ in 0..3 {
            now += 100;
            tick(&mut state, &mut told, now);
        }
        for alert in state.alerts() {
            let known = told.get(&alert.key).is_some_and(|t| t.step % 2 == 1);
            assert_eq!(known, alert.is_firing(), "seed {seed}: what people know of {alert:?}");
        }
    }
}

#[test]
fn a_fresh_start_does_not_repeat_what_still_fires() {
    check(
        &policy(),
        "0 fire a
         0 fire b
         1 tick = [] +a,b - of 2
         20 resolve b
         20 tick = [] + -b of 1
         30 crash
         30 fire a
         30 fire b
         40 tick = [] +b - of 2
         41 resolve a
         50 tick = [] + -a of 1",
    );
}

#[test]
fn there_is_a_limit() {
    check(&Policy { max_alerts: 2, ..policy() }, "0 fire a\n 1 fire b\n 2 fire c = forgot a\n 3 tick = [] +b,c - of 2");
}
