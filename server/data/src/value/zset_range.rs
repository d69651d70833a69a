//! Ranges of sorted sets: by score, and by the lexicographical order of the members.

/// A bound on scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreBound {
    /// The score.
    pub score: f64,
    /// Whether the score itself is excluded.
    pub exclusive: bool,
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lower bound.
    pub min: ScoreBound,
    /// The upper bound.
    pub max: ScoreBound,
}

impl ScoreRange {
    /// Whether a score is below the range.
    #[inline]
    pub fn is_after(&self, score: f64) -> bool {
        if self.min.exclusive {
            score <= self.min.score
        } else {
            score < self.min.score
        }
    }

    /// Whether a score is in the range or below it.
    #[inline]
    pub fn reaches(&self, score: f64) -> bool {
        if self.max.exclusive {
            score < self.max.score
        } else {
            score <= self.max.score
        }
    }
}

/// A bound on members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Before all members (`-`).
    Least,
    /// After all members (`+`).
    Greatest,
    /// An included member.
    Inclusive(&'a [u8]),
    /// An excluded member.
    Exclusive(&'a [u8]),
}

/// A range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// The lower bound.
    pub min: LexBound<'a>,
    /// The upper bound.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether a member is below the range.
    pub fn is_after(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Inclusive(bound) => member < bound,
            LexBound::Exclusive(bound) => member <= bound,
        }
    }

    /// Whether a member is in the range or below it.
    pub fn reaches(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Least => false,
            LexBound::Greatest => true,
            LexBound::Inclusive(bound) => member <= bound,
            LexBound::Exclusive(bound) => member < bound,
        }
    }
}
