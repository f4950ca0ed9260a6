//! Which elections and losses may be (R2 to R6), from what was reported.

use std::time::Duration;

use rolecall::core::event::{EventKind, Evidence, LossReason};
use rolecall::core::facts::{Facts, ReplicaFacts};

use super::reign::{Bar, Reign};
use super::{Input, Referee};

impl Referee {
    /// A step was made: what must have become of the election, and did it?
    pub fn judge(&mut self) {
        self.find_doubles();
        self.place_all();
        let lost = self.follow_reign();
        self.follow_contradiction();
        self.follow_sole();
        let (mut told_lost, mut elections) = (None, 0);
        let before = self.holder();
        for event in self.group.take_events() {
            match &event.kind {
                EventKind::Lost { node, why, .. } => {
                    told_lost = Some((node.0 as usize, *why));
                    self.note(Input::Happened(event.kind.clone()));
                }
                EventKind::Elected {
                    node,
                    term,
                    evidence,
                    ..
                } => {
                    self.note(Input::Happened(event.kind.clone()));
                    elections += 1;
                    // A check that ended before the last one may show what that one has overtaken.
                    self.demand(
                        elections == 1 || self.now < self.latest,
                        "R3: one thing that is said moves the writes once",
                    );
                    self.demand(*term == self.term + 1, "R2: terms are counted one by one");
                    self.judge_election(node.0 as usize, evidence);
                    self.judge_ground_of_election(node.0 as usize, evidence);
                    self.enthrone(node.0 as usize, evidence);
                    self.place_all();
                }
                EventKind::Conflict { incumbent, .. } => {
                    self.coverage.count("conflict");
                    if incumbent.is_some() {
                        self.coverage
                            .count("kept: incumbent against another claimant");
                    } else if self.term == 0 {
                        self.coverage
                            .count("held back: two claimants at a cold start");
                    }
                }
                EventKind::ConflictOver => self.coverage.count("conflict over"),
                EventKind::Gone { .. } => self.coverage.count("primary gone"),
                EventKind::Back { .. } => self.coverage.count("primary back"),
                // Roles and verdicts are judged by the view; nobody adds, takes out or orders here.
                _ => {}
            }
        }
        self.demand(
            told_lost == lost,
            "R3: losses are told as they are reported",
        );
        self.in_change = before != self.holder() || lost.is_some();
        self.end_loads_of_the_former();
        self.judge_holder();
        self.judge_omissions();
        self.judge_order_of_nodes();
    }

    /// R2, R3: the view names whom it should, and nobody who was not elected.
    fn judge_holder(&mut self) {
        let view = self.group.view().primary;
        let elected = view.map(|primary| (primary.node.0 as usize, primary.term));
        let expected = self.holder().map(|node| (node, self.term));
        self.demand(
            elected == expected,
            "R3: the incumbent stays while it claims, and no longer than that",
        );
        if !self.in_change {
            self.count_temptations();
        }
    }

    /// Those that claim, or did when they were last heard and may be alive.
    pub fn contenders(&self) -> Vec<usize> {
        let claims = |node: &usize| {
            let told = &self.told[*node];
            self.takes_part(*node)
                && !told.is_gone()
                && told.last.as_ref().is_some_and(Facts::claims)
        };
        (0..self.told.len()).filter(claims).collect()
    }

    pub fn facts(&self, node: usize) -> &Facts {
        self.told[node].last.as_ref().unwrap()
    }

    pub fn votes_of_replicas(&self, node: usize) -> (Vec<usize>, usize) {
        let newer_than = self
            .reign
            .as_ref()
            .filter(|reign| reign.lost.is_none() && (reign.by_descent || reign.by_sentinels))
            .map(|reign| reign.elected_at);
        self.replica_votes(node, newer_than)
    }

    pub fn votes_of_sentinels(&self, node: usize) -> Vec<usize> {
        let bar = self.reign.as_ref().filter(|reign| reign.node != node);
        match bar.map_or(Bar::Any, |reign| reign.bar) {
            Bar::Any => self.sentinel_votes(node, None, self.now),
            Bar::Above(epoch) => self.sentinel_votes(node, Some(epoch), self.now),
            Bar::NoneKnown => Vec::new(),
        }
    }

    pub fn has_votes(&self, node: usize) -> bool {
        self.is_voted_for(node) || self.is_named(node)
    }

    pub fn is_voted_for(&self, node: usize) -> bool {
        let (votes, of) = self.votes_of_replicas(node);
        votes.len() * 2 > of
    }

    pub fn is_named(&self, node: usize) -> bool {
        self.is_sentinel_majority(self.votes_of_sentinels(node).len())
    }

    fn judge_election(&mut self, winner: usize, evidence: &Evidence) {
        self.demand(
            self.told[winner].claims() && self.takes_part(winner),
            "R3: only a node whose fresh check claims is elected",
        );
        self.demand(self.holder() != Some(winner), "R2: nobody is elected twice");
        let alone = self.is_the_only_node(winner);
        if *evidence == Evidence::OnlyNode || alone {
            let fits = *evidence == Evidence::OnlyNode && alone;
            return self.demand(fits, "R4: the only node that is not local, and no other");
        }
        let sole = self.contenders() == [winner];
        if self.told[winner].unproven {
            self.demand(sole, "R5: an unproven master never wins against another");
            let fits = matches!(
                evidence,
                Evidence::Votes { .. } | Evidence::SentinelVotes { .. } | Evidence::Hold { .. }
            );
            self.demand(fits, "R5: alone it needs votes or the hold");
            self.coverage.count("elected: unproven alone");
        }
        if self.is_suspect(winner) {
            let fits = matches!(
                evidence,
                Evidence::Votes { .. } | Evidence::SentinelVotes { .. }
            );
            self.demand(
                fits,
                "R17: votes alone elect one whose history is not known",
            );
            self.coverage.count("elected: known process by votes");
            self.elected_suspect = true;
        }
        if self.term == 0 {
            self.judge_cold_start(winner, evidence, sole);
        } else {
            self.judge_succession(winner, evidence);
            self.judge_rivals(winner);
        }
        match evidence {
            Evidence::Votes { voters, of } => {
                let (mine, all) = self.votes_of_replicas(winner);
                self.demand(
                    mine.len() * 2 > all && (mine.len(), all) == (voters.len(), *of),
                    "R3.3: more than half of the replicas are linked to it",
                );
            }
            Evidence::SentinelVotes { sentinels, of } => {
                let mine = self.votes_of_sentinels(winner);
                let told: Vec<String> = mine.iter().map(|s| format!("s{}", s + 1)).collect();
                let same = told
                    .iter()
                    .map(String::as_str)
                    .eq(sentinels.iter().map(|s| &**s));
                self.demand(
                    self.is_sentinel_majority(mine.len()) && same && *of == self.said.len(),
                    "R3.3: more than half of the configured Sentinels name it",
                );
            }
            Evidence::Hold { held } => self.judge_hold(winner, *held),
            Evidence::OnlyNode
            | Evidence::AllChecked
            | Evidence::Demotion
            | Evidence::Descent { .. } => {}
        }
    }

    /// R4.
    fn judge_cold_start(&mut self, winner: usize, evidence: &Evidence, sole: bool) {
        if !matches!(evidence, Evidence::Hold { .. }) {
            let voters = (0..self.told.len()).filter(|node| self.takes_part(*node));
            let all = voters.clone().all(|node| !self.told[node].is_unheard());
            self.demand(
                all && self.are_sentinels_decided(),
                "R4: all are heard before anything but the hold elects",
            );
        }
        let heir = self.heir();
        let after_all = self.outlasts_the_others(winner);
        let fits = match evidence {
            Evidence::Descent { .. } => heir == Some(winner) && self.contradiction.is_none(),
            Evidence::Votes { .. } | Evidence::SentinelVotes { .. } => {
                after_all || (heir.is_none() && self.contradiction.is_none())
            }
            Evidence::Hold { .. } => sole,
            Evidence::AllChecked => {
                let voters = self.told.iter().filter(|told| !told.local && !told.out);
                sole && voters.clone().all(|told| told.last.is_some())
                    && self.elsewhere(winner, self.now).is_none()
                    && !self.delay_softly(winner, self.now)
                    && !self.tells_another_family(winner)
            }
            Evidence::OnlyNode | Evidence::Demotion => false,
        };
        self.demand(fits, "R4: descent, votes, all checked or the hold");
        if after_all {
            self.coverage
                .count("elected: by votes after a contradiction");
        }
        if !sole && !self.told[winner].unproven {
            let proven = matches!(
                evidence,
                Evidence::Votes { .. } | Evidence::SentinelVotes { .. } | Evidence::Descent { .. }
            );
            self.demand(proven, "R4: two claimants need descent or votes");
        }
    }

    /// A replica of another history than the only claimant's answers.
    fn tells_another_family(&self, sole: usize) -> bool {
        let families = self.families();
        (0..self.told.len()).any(|node| {
            let facts = self.told[node].last.as_ref();
            self.takes_part(node)
                && self.is_heard(node)
                && families[node] != families[sole]
                && self.facts(sole).tells_branch
                && facts.is_some_and(|f| !f.claims() && f.replid.is_some() && f.tells_branch)
        })
    }

    fn judge_succession(&self, winner: usize, evidence: &Evidence) {
        let reign = self.reign.as_ref().unwrap();
        let incumbent = &self.told[reign.node];
        if reign.lost.is_none() && !incumbent.is_gone() {
            let fits = matches!(
                evidence,
                Evidence::Votes { .. } | Evidence::SentinelVotes { .. } | Evidence::Descent { .. }
            );
            self.demand(fits, "R3: the incumbent stays while it claims");
        }
        match evidence {
            Evidence::Demotion => self.judge_demotion(winner, reign),
            Evidence::Descent { .. } => {
                self.demand(
                    self.descends(winner),
                    "R3.2: it descends from the incumbent",
                );
            }
            Evidence::AllChecked | Evidence::OnlyNode => {
                self.demand(false, "R4 is for a cold start");
            }
            Evidence::Votes { .. } | Evidence::SentinelVotes { .. } | Evidence::Hold { .. } => {}
        }
    }

    /// R3 (1): whom the demoted one follows is heard before an unrelated claimant takes the writes.
    fn judge_demotion(&self, winner: usize, reign: &Reign) {
        let demoted = reign
            .lost
            .filter(|(why, _)| matches!(why, LossReason::Demoted | LossReason::HandoverTimedOut));
        let Some((_, lost_at)) = demoted else {
            return self.demand(false, "R3.1: a fresh check said that it is no master");
        };
        let Some(link) = self.link_of_the_former(reign) else {
            return;
        };
        let heir = self.told.iter().position(|told| told.is_at(&link.master));
        let Some(heir) = heir.filter(|heir| *heir != winner) else {
            return;
        };
        let told = &self.told[heir];
        let unheard = !told.is_down() && told.heard_at <= lost_at;
        let waited = self.now.since(lost_at) >= self.rules.claim_hold;
        self.demand(
            waited || !unheard,
            "R3.1: the node that the demoted one follows is heard first",
        );
    }

    /// R3: of several that qualify votes win, else the later branch; list order decides nothing.
    fn judge_rivals(&self, winner: usize) {
        if self.has_votes(winner) {
            return;
        }
        let descends = self.descends(winner);
        let branch = self.facts(winner).second_offset;
        let demoted = self.reign.as_ref().is_some_and(|reign| {
            matches!(
                reign.lost,
                Some((LossReason::Demoted | LossReason::HandoverTimedOut, _))
            )
        });
        for rival in self.contenders() {
            let holds = self.holder() == Some(rival);
            let waits = self.is_suspect(rival) && !self.has_votes(rival);
            if rival == winner || holds || self.told[rival].unproven || waits {
                continue;
            }
            self.demand(
                !self.has_votes(rival),
                "R3: of several that qualify votes win",
            );
            let theirs = self.facts(rival).second_offset;
            if self.descends(rival) {
                let beaten = descends && branch > theirs;
                self.demand(beaten, "R3: of several that descend the later branch wins");
            } else if demoted && !descends && !self.is_followed_by_the_demoted(winner) {
                self.demand(branch != theirs, "R3: list order decides nothing");
            }
        }
    }

    /// Whom the last elected one follows now; a missed check takes nothing back (R11).
    fn link_of_the_former(&self, reign: &Reign) -> Option<&ReplicaFacts> {
        let told = &self.told[reign.node];
        let knows = !told.is_gone() && !self.is_foreign(reign.node);
        let facts = told.last.as_ref().filter(|_| knows);
        facts.and_then(Facts::replica)
    }

    /// Then others wait for it.
    fn is_followed_by_the_demoted(&self, winner: usize) -> bool {
        let reign = self.reign.as_ref();
        let link = reign.and_then(|reign| self.link_of_the_former(reign));
        link.is_some_and(|link| self.told[winner].is_at(&link.master))
    }

    fn judge_hold(&self, winner: usize, held: Duration) {
        let since = self
            .sole
            .as_ref()
            .filter(|(node, run, _)| *node == winner && self.told[winner].run() == Some(run));
        let long = since.is_some_and(|(.., since)| {
            let passed = self.now.since(*since);
            passed >= self.rules.claim_hold && held <= passed
        });
        self.demand(long, "R3.4: gone, and the only claimant for claim_hold");
        self.demand(
            !self.delay_softly(winner, self.now),
            "R18: Sentinels that name one whom they call down delay the hold",
        );
    }
}
