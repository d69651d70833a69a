//! The processors that a thread may run on: `server_cpulist`, `bio_cpulist`, `bgsave_cpulist` and `aof_rewrite_cpulist`.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::warning;

/// A set of processors.
#[derive(Clone, Copy)]
pub struct Processors(CpuSet);

impl Processors {
    /// Those that the calling thread may run on; `None` if the system does not tell.
    pub fn of_this_thread() -> Option<Self> {
        sched_getaffinity(Pid::from_raw(0)).ok().map(Self)
    }

    /// Those that a directive lists: `0,2-5,8-14:2` are a single one, a range, and every second one of a range. `None` if the
    /// list is empty, or cannot be read, which is logged.
    pub fn listed(directive: &str, list: &str) -> Option<Self> {
        let processors = parse(list);
        if processors.is_none() && !list.is_empty() {
            warning!("{directive} '{list}' is not a list of processors and has no effect");
        }
        processors.map(Self)
    }
}

/// Lets the calling thread run on these processors alone, if they are given. A failure is logged.
pub fn bind(processors: Option<Processors>) {
    let bound = processors.map_or(Ok(()), |Processors(set)| {
        sched_setaffinity(Pid::from_raw(0), &set)
    });
    if let Err(error) = bound {
        warning!("A thread cannot be bound to its processors: {error}");
    }
}

fn parse(list: &str) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for part in list.split(',') {
        let (range, step) = part.trim().split_once(':').unwrap_or((part.trim(), "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let step = step.parse().ok().filter(|&step: &usize| step > 0)?;
        if first > last || last >= CpuSet::count() {
            return None;
        }
        for number in (first..=last).step_by(step) {
            set.set(number).ok()?;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use nix::sched::CpuSet;

    use super::parse;

    #[test]
    fn a_list_has_numbers_ranges_and_steps() {
        let numbers = |list: &str| {
            let set = parse(list)?;
            let is_set = |number: &usize| set.is_set(*number) == Ok(true);
            Some((0..CpuSet::count()).filter(is_set).collect::<Vec<_>>())
        };
        assert_eq!(numbers("0"), Some(vec![0]));
        assert_eq!(
            numbers("0,2-5, 8-14:3"),
            Some(vec![0, 2, 3, 4, 5, 8, 11, 14])
        );
        for bad in ["", "a", "1,", "3-1", "0-4:0", "-1", "1-", "99999"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
