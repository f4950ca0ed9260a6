//! rolecall: a role-aware TCP proxy for Redis and Valkey. This page is the map of the house.
//!
//! A pure core decides; a shell around it does. Nothing but the core knows a rule of routing, and the
//! core knows no socket, clock or log. An arrow means "may use":
//!
//! ```text
//! main -> cli -> app -> { check, proxy, admin, config, telemetry, takeover, notify }
//!                check -> redis -> core        proxy -> { core, redis::scan }      admin -> core      config -> core
//!         cli -> import -> config
//!        cli -> { survey, draft } -> check::ask -> redis
//!                check, proxy, admin -> metrics, journal, and the types of config::model
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`core`] | facts and `now` go in, decisions with reasons come out: check state, election, eligibility, lag, chains, picking, judging |
//! | [`redis`] | bytes to facts, without sockets: RESP, INFO, one check as a state machine, what Sentinels say |
//! | [`check`] | one task per node, and one per Sentinel, asks; one monitor per group owns all that is known of it and publishes whole snapshots |
//! | [`proxy`] | the data plane: one thread per core, listeners, sessions, relay, parking; reads snapshots, never a check |
//! | [`admin`] | HTTP: on `admin.http` read only, on the Unix socket commands too |
//! | [`api`] | what it answers in JSON, in types that our own commands read too |
//! | [`switchover`] | a planned change of primary: asks Sentinel or the primary, waits for the election |
//! | [`config`] | a file becomes a validated [`config::model::Config`], or a list of all that is wrong with it; [`config::keys`] has every key |
//! | [`import`] | a configuration of HAProxy becomes one of ours, with an account of every line |
//! | [`journal`] | what happened: each event as a line of the log and as data |
//! | [`metrics`], [`telemetry`] | every metric in one file; the log |
//! | [`takeover`] | an upgrade: a new process gets the listening sockets of the running one |
//! | [`notify`] | what the service manager is told |
//! | [`survey`] | `check --connect`: asks everybody once, and says what a proxy would make of it |
//! | [`draft`] | `init`: finds a group, and drafts a configuration for it |
//! | [`demo`] | `rolecall demo`: a whole group on this machine, to look at and to break |
//! | [`app`], [`cli`] | put it together; the command line |
//!
//! `tests/architecture` keeps the arrows.
//!
//! # How a fact becomes a decision
//!
//! A check task asks its node PING and INFO on one connection ([`check::node`]) and reports an
//! [`core::outcome::Outcome`]. The monitor ([`check`]) folds it into its [`core::group::Group`], which draws
//! all conclusions again: the node's check state, the election, the lag, each node's eligibility. When
//! the resulting [`core::snapshot::GroupView`] differs from the last one it is published, whole, through one
//! `watch` channel. Each worker judges its open sessions against it ([`core::judge`]) before it reads
//! another byte of them, and picks nodes for new ones from it ([`core::pick`]).
//!
//! # Where the code goes beyond, or away from, the first design
//!
//! - *Votes* count with the claimant's own `master_replid` only: after a restart at the same address,
//!   what replicas said of the process that was there before is no vote for the new one.
//! - *A vote is newer than an election* when its replica was seen to turn to another primary since. One
//!   that links again to the restarted primary which it followed before repeats an old vote.
//! - *A cold start* decides when every node was heard once (one that is silent until its first time-out), and
//!   every Sentinel that could make a majority: else the outcome depended on who was heard first.
//! - *Where replicas and Sentinels contradict each other at a cold start* nobody is elected for `claim_hold`, as
//!   where descent and votes do; then the Sentinels decide, who will act by their votes.
//! - *The word of a node for itself* (`total_net_repl_input_bytes`) counts for descent where nobody could
//!   contradict it: no fresh replica of that history, no Sentinels that name another. A liar gives it as well.
//!   At a cold start an heir's branch must lie within what its living ancestor has reached.
//! - *A history that a process began itself* is not foreign (R17): blank at its first answer, the last elected
//!   node restarted from an append-only file, or drawn anew by `repl-backlog-ttl`. Else R5 could never hold.
//! - *Uptime* tells such a restart from a process that lived elsewhere before it came to the address.
//! - *A process of the group that claims with an unknown history* is not foreign (R17): it may have been promoted
//!   twice out of our sight. Its history proves nothing: votes alone elect it, and its replicas serve after that.
//! - *A replica of a node that does not answer us* keeps its reads (R17), if this very process held the group's
//!   data before: that node may have been promoted out of our sight. It proves nothing to others.
//! - *A node that was elected empty, or by time alone (R3.4) before anything was known*, says nothing of the
//!   group's history until a replica is in sync with it: it may be a stranger, and the others come back.
//! - *A proxy that did not run for 5 s* takes the histories anew, as at a start (R17): it may have missed two
//!   failovers. What was foreign before still is.
//! - *A group of one node* knows no foreign history: there is nothing to compare it with (R4).
//! - *Sentinels in the middle of a failover* still veto a hold, though they have no vote: a failover of a dead
//!   primary may come to nothing again and again.
//! - *A claimant that is silent just now* is still a rival: one missed check decides nothing. So is a
//!   replica that could vote: it counts among those of whom more than half are needed until it is down. And
//!   whom a demoted primary said it follows is heard first, though its next check was lost.
//! - *After a demotion* the node that the old primary now follows is heard before an unrelated claimant
//!   takes the writes, for `claim_hold` at most.
//! - *R14* bars a node that replicates through a listener from that listener and from what it falls
//!   back to; the local replica of `redis-ro` still serves `redis-local-ro`.
//! - *Descent is spent once*: a promotion that was seen before the incumbent's election does not count
//!   against it again, so votes and descent cannot play the writes to and fro.
//! - *A primary that restarted from its file* and was elected gives way to a replica that was promoted
//!   from the same history at a later offset, as if both had been seen at once.
//! - *A run that becomes a replica in sync* is no longer unproven (R5): what it was started with has been
//!   replaced by its primary's data.
//! - *Sentinels* that are silent convince nobody, but their last vote delays the hold for 30 s. One that leads
//!   a failover has no vote: for a second it names the old primary under the new epoch. A vote for another
//!   run at the node's address is none for the present one.
//! - *Old votes of Sentinels* do not count against an incumbent that Sentinels chose, or that replaced
//!   another by replicas' votes, either: the two electorates would play the writes to and fro. What was
//!   too old to replace an incumbent is too old to replace whoever follows it.
//! - *R20 asks for proof* even after a handover (`FAILOVER .. FORCE` does not wait for the replica), and takes it
//!   from any old primary that is a replica now, however it was demoted.
//! - *A slow reader* gets its last answers (R20) for up to a second and not for 50 ms: as long as it has not read
//!   what was sent to it, it cannot see the close either. The node is waited for 50 ms.
//! - *A refused command* (R20) is also an EXEC: `-EXECABORT .. because of: READONLY ..`. Its session is held for up
//!   to 50 ms until the fence, or the client would come back to the same node a few times.
//! - *The service manager* is told by [`notify`] and not by the crate sd-notify, which knows no abstract
//!   addresses and waits without limit for a manager that does not read.
//! - *A replica that is silent* for less than `fall` stays in the electorate, though it convinces nobody: a
//!   missed check must not make a majority of a minority (R11).
//! - *A node that an operator or a reload took out* still holds back the hold while a replica is linked to it.
//! - *Discovery* asks for more than half of the configured Sentinels, for a node to come and for it to go. Of one
//!   process behind two learned addresses the one that more Sentinels list is kept; the holder of the election
//!   stays, or its write sessions would be closed for a name.
//! - *A name with several addresses* is dialled at one of them. An address that has answered is given up as R8
//!   gives up a node, by a refusal or by `fall` time-outs: a move closes sessions (R1), a missed check does not.
//! - *`admin` may use `check::Control`*, `proxy::Loads` and `switchover::Director`: whoever answers operators asks
//!   the owners, by channel.
//! - *The allocator* is mimalloc: of a session's objects most are aligned to 128 bytes, which glibc pays for
//!   with half a kilobyte a session, and keeps after a storm.
//! - *A busy worker is scheduled in batches* (`SCHED_BATCH`): done sooner than its clients it would be woken
//!   for each message, and wake-ups are most of what a message costs. See docs/performance.md.
//! - *`run --watch`* reads the configuration again when it says something else: Kubernetes changes a file
//!   without telling the process.
//! - *`rolecall_listener_info`* is a metric beyond the design's: without it no alert can tell a read listener
//!   from a write one, nor which group it serves.
//! - *The unit is `Type=notify`*: systemd before 253, so that of Debian 12, does not know `notify-reload`, for
//!   which deploy/ has a drop-in.
//! - *`check --connect` asks once and does not run the monitors*: it can say more of what it heard (which
//!   Sentinel knows what), needs no `claim_hold` to pass, and still lets the core conclude.
//! - *Scalars of the configuration* are read from parser events instead of through serde, so that an
//!   unquoted password such as `0123` stays what was written.

pub mod admin;
pub mod api;
pub mod app;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod demo;
pub mod draft;
pub mod import;
pub mod journal;
pub mod metrics;
pub mod notify;
pub mod proxy;
pub mod redis;
pub mod survey;
pub mod switchover;
pub mod takeover;
pub mod telemetry;
