//! The task that checks one node: it decides when, and reports how each check ended.
//!
//! It judges nothing: rise, fall and roles are for whoever reads its reports, and so is the pace, which
//! comes in from there. Three things bring a check forward: a call ([`Wake`]), the node closing the check
//! connection (R11), and a host name that moved.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::checker::{Checked, Checker};
use super::pacing::{Pacing, after};
use super::resolve::{self, Lookup, Place, Resolver};
use super::wake::{By, Wake};
use crate::clock;
use crate::config::model::{Address, Credentials};
use crate::core::ids::NodeId;
use crate::core::outcome::{Outcome, Report};
use crate::core::snapshot::Target;

/// The least time between two complaints about descriptors that ran out here.
const COMPLAINTS: Duration = Duration::from_secs(10);

/// All that the task needs.
#[derive(Debug)]
pub struct NodeTask {
    /// Which node; goes into every report.
    pub node: NodeId,
    /// Where it is, as configured.
    pub address: Address,
    /// Where it was dialled by an earlier task; none for a node that comes.
    pub present: Option<Target>,
    /// For AUTH on each new connection; none sends none.
    pub auth: Option<Credentials>,
    /// For one whole check, dial included.
    pub timeout: Duration,
    /// Time-outs in a row until the other addresses of its name are tried (R8).
    pub fall: u32,
    /// From start to start of the checks; a change takes effect at once.
    pub pace: watch::Receiver<Duration>,
    /// Asks for a check now.
    pub wake: Arc<Wake>,
    /// Where the reports go. The task ends when nobody reads them.
    pub reports: mpsc::Sender<FromNode>,
    /// Ends the task at once.
    pub cancel: CancellationToken,
}

/// What the task tells.
#[derive(Clone, Debug)]
pub enum FromNode {
    /// How a check ended. A check that failed for want of descriptors here is not told at all.
    Checked(NodeId, Report),
    /// Where to dial the node: once at the start, and whenever it changes, be it that the name moved or that
    /// another address of it answered. Without a target: why its name cannot be looked up; once there was
    /// a good answer, it is kept.
    Resolved(NodeId, Option<Target>, Option<String>),
}

/// Nobody reads the reports any more.
struct Unheard;

impl NodeTask {
    /// Checks the node until it is cancelled. Needs a tokio runtime with time and I/O.
    pub async fn run(self) {
        self.run_with(resolve::system()).await;
    }

    async fn run_with(self, lookup: Lookup) {
        let cancel = self.cancel.clone();
        let resolver = Resolver::new(&self.address, self.present.clone(), lookup);
        let checker = Checker::new(self.auth.clone(), self.address.to_string().into())
            .known_at(self.present.clone(), self.fall);
        let mut running = Running {
            task: self,
            resolver,
            checker,
            place: Place::default(),
            pacing: Pacing::default(),
            complained: None,
            closed: false,
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            _ = running.run() => {}
        }
    }
}

/// The task at work.
struct Running {
    task: NodeTask,
    resolver: Resolver,
    checker: Checker,
    /// What was last told of the node's place.
    place: Place,
    pacing: Pacing,
    complained: Option<Instant>,
    /// The last check ended so that the node closed a fresh connection.
    closed: bool,
}

impl Running {
    async fn run(&mut self) -> Result<(), Unheard> {
        self.follow().await?;
        loop {
            self.wait().await?;
            if let Some(by) = self.task.wake.take() {
                self.pacing.wake(by);
            }
            let by = self.pacing.start(Instant::now());
            if let Some(report) = self.check(by).await? {
                // R11: a reason to look again. Closed again, it is a failure like a time-out, and the
                // next check comes at the usual pace: a node may accept and close for hours.
                let closed = *report.outcome.counts_as() == Outcome::Closed;
                if closed && !self.closed {
                    self.pacing.lose();
                }
                self.closed = closed;
                self.tell(FromNode::Checked(self.task.node, report)).await?;
            }
        }
    }

    /// Waits until the next check is due, and takes in whatever brings it forward.
    async fn wait(&mut self) -> Result<(), Unheard> {
        loop {
            let pace = *self.task.pace.borrow_and_update();
            let due = self.pacing.due(pace, Instant::now());
            tokio::select! {
                // The due time first: no swarm of calls can put a check off.
                biased;
                () = sleep_until(due) => return Ok(()),
                () = self.checker.lost() => {
                    self.checker.hang_up();
                    self.pacing.lose();
                }
                () = self.resolver.news(&self.place) => self.follow().await?,
                by = self.task.wake.next() => self.pacing.wake(by),
                () = changed(&mut self.task.pace) => {}
            }
        }
    }

    /// Adopts what is now known of the node's place. A new address means another node, for all that is
    /// known: the connection goes, and it is checked by a new dial.
    async fn follow(&mut self) -> Result<(), Unheard> {
        let place = self.resolver.place();
        let before = std::mem::replace(&mut self.place, place.clone());
        let node = self.task.node;
        if place.target != before.target {
            self.checker.hang_up();
            self.pacing.wake(By::Dial);
            self.tell(FromNode::Resolved(node, place.target, None))
                .await?;
        } else if place.target.is_none() && place.failure != before.failure {
            let why = place.failure.map(|why| why.to_string());
            self.tell(FromNode::Resolved(node, None, why)).await?;
        }
        Ok(())
    }

    /// One check. None when it says nothing: the address changed under it, or we ran out of something.
    async fn check(&mut self, by: By) -> Result<Option<Report>, Unheard> {
        let started = clock::now();
        let deadline = after(Instant::now(), self.task.timeout);
        let report = |outcome, dialled| Report {
            started,
            finished: clock::now(),
            dialled,
            outcome,
        };
        let target = match self.target(deadline).await? {
            Ok(target) => target,
            Err(unresolved) => return Ok(Some(report(unresolved, false))),
        };
        let others = self.place.others.clone();
        let checked = tokio::select! {
            checked = self.checker.check(&target, &others, by, deadline, &self.resolver) => checked,
            () = self.resolver.left(&target) => {
                self.follow().await?;
                return Ok(None);
            }
        };
        let Checked {
            outcome,
            dialled,
            target: reached,
        } = checked;
        match outcome {
            Ok(_) if reached != target && !self.stays_at(&reached).await? => Ok(None),
            Ok(outcome) => Ok(Some(report(outcome, dialled))),
            Err(error) => {
                self.complain(&error);
                Ok(None)
            }
        }
    }

    /// Another address of the name answered: the node is there from now on, which is told before what it
    /// answered. False where the name has left that address meanwhile.
    async fn stays_at(&mut self, target: &Target) -> Result<bool, Unheard> {
        if !self.resolver.prefer(target) {
            self.checker.hang_up();
            self.follow().await?;
            return Ok(false);
        }
        self.place = self.resolver.place();
        let told = FromNode::Resolved(self.task.node, self.place.target.clone(), None);
        self.tell(told).await?;
        Ok(true)
    }

    /// Where to dial; waits for the first answer of the name server, no longer than `deadline`.
    async fn target(&mut self, deadline: Instant) -> Result<Result<Target, Outcome>, Unheard> {
        if self.place == Place::default() {
            let news = self.resolver.news(&self.place);
            let _ = timeout_at(deadline, news).await;
        }
        self.follow().await?;
        Ok(match (&self.place.target, &self.place.failure) {
            (Some(target), _) => Ok(target.clone()),
            (None, failure) => {
                self.resolver.refresh();
                let why = failure.clone();
                Err(Outcome::Unresolved(why.unwrap_or_else(|| {
                    "the name server has not answered yet".into()
                })))
            }
        })
    }

    /// Says now and then that checks fail for want of something here.
    fn complain(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        if self.complained.is_some_and(|last| now < last + COMPLAINTS) {
            return;
        }
        self.complained = Some(now);
        tracing::warn!(
            address = %self.task.address,
            %error,
            "a node cannot be checked for want of resources here: its last verdict stands; \
             raise the limit of open files"
        );
    }

    async fn tell(&self, news: FromNode) -> Result<(), Unheard> {
        self.task.reports.send(news).await.map_err(|_| Unheard)
    }
}

/// Ends when the pace changes; never when nobody can change it any more.
async fn changed(pace: &mut watch::Receiver<Duration>) {
    if pace.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::core::facts::HostPort;

    /// A node that is somewhere and closes every connection, which is answer enough here.
    async fn somewhere(ip: &str) -> (SocketAddr, AbortOnDropHandle<()>) {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                drop(listener.accept().await);
            }
        });
        (address, AbortOnDropHandle::new(task))
    }

    fn task(reports: mpsc::Sender<FromNode>, pace: watch::Receiver<Duration>) -> NodeTask {
        NodeTask {
            node: NodeId(1),
            address: Address::Tcp(HostPort::new("redis-1.example", 6379)),
            present: None,
            auth: None,
            timeout: Duration::from_secs(3600),
            fall: 1,
            pace,
            wake: Arc::default(),
            reports,
            cancel: CancellationToken::new(),
        }
    }

    /// A node that is loading its data, which is an answer.
    async fn loading(ip: &str) -> (SocketAddr, AbortOnDropHandle<()>) {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let line = b"-LOADING Redis is loading the dataset in memory\r\n";
                let _ = stream.write_all(&line.repeat(4)).await;
                open.push(stream);
            }
        });
        (address, AbortOnDropHandle::new(task))
    }

    /// An address where nobody listens.
    async fn nobody(ip: &str) -> SocketAddr {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        listener.local_addr().unwrap()
    }

    /// What a task tells of a name with these addresses, until its first report.
    async fn first_report(
        task: NodeTask,
        heard: &mut mpsc::Receiver<FromNode>,
        all: &[SocketAddr],
    ) -> (Vec<Target>, Outcome) {
        let all = all.to_vec();
        let lookup: Lookup = Box::new(move |_| Box::pin(std::future::ready(Ok(all.clone()))));
        let running = AbortOnDropHandle::new(tokio::spawn(task.run_with(lookup)));
        let mut places = Vec::new();
        loop {
            let news = tokio::time::timeout(Duration::from_secs(60), heard.recv());
            match news.await.unwrap().unwrap() {
                FromNode::Resolved(_, target, _) => places.extend(target),
                FromNode::Checked(_, report) => {
                    drop(running);
                    return (places, report.outcome);
                }
            }
        }
    }

    #[tokio::test]
    async fn the_other_addresses_of_a_name_are_tried_within_the_same_check() {
        let (second, _server) = loading("127.0.0.1").await;
        let closed = nobody("127.0.0.2").await;
        let (broken, _other) = somewhere("127.0.0.3").await;
        let (_pace, pace) = watch::channel(Duration::from_secs(3600));
        for first in [closed, broken] {
            let (reports, mut heard) = mpsc::channel(1);
            let task = task(reports, pace.clone());
            let (places, outcome) = first_report(task, &mut heard, &[first, second]).await;
            assert_eq!(outcome, Outcome::Loading);
            assert_eq!(places, [Target::Tcp(first), Target::Tcp(second)]);
        }
        let (reports, mut heard) = mpsc::channel(1);
        let known = NodeTask {
            present: Some(Target::Tcp(second)),
            ..task(reports, pace)
        };
        let (places, outcome) = first_report(known, &mut heard, &[broken, second]).await;
        assert_eq!(
            (outcome, places),
            (Outcome::Loading, vec![Target::Tcp(second)])
        );
    }

    #[tokio::test]
    async fn an_address_that_does_not_accept_leaves_time_for_the_others() {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let ip: SocketAddr = "127.0.0.4:0".parse().unwrap();
        socket.bind(&ip.into()).unwrap();
        socket.listen(0).unwrap();
        let full = socket.local_addr().unwrap().as_socket().unwrap();
        let _filling = std::net::TcpStream::connect(full).unwrap();
        let (second, _server) = loading("127.0.0.1").await;
        let (_pace, pace) = watch::channel(Duration::from_secs(3600));
        let (reports, mut heard) = mpsc::channel(1);
        let short = NodeTask {
            timeout: Duration::from_secs(4),
            ..task(reports, pace)
        };
        let began = Instant::now();
        let (places, outcome) = first_report(short, &mut heard, &[full, second]).await;
        assert_eq!(
            (outcome, places.last()),
            (Outcome::Loading, Some(&Target::Tcp(second)))
        );
        assert!(began.elapsed() < Duration::from_secs(4), "within the check");
    }

    #[tokio::test]
    async fn r8_where_no_address_answers_the_first_counts_and_each_is_named() {
        let (first, second) = (nobody("127.0.0.2").await, nobody("127.0.0.3").await);
        let (_pace, pace) = watch::channel(Duration::from_secs(3600));
        let (reports, mut heard) = mpsc::channel(1);
        let task = task(reports, pace);
        let (places, outcome) = first_report(task, &mut heard, &[first, second]).await;
        assert_eq!(places, [Target::Tcp(first)]);
        assert_eq!(outcome.counts_as(), &Outcome::Refused);
        let words = format!(
            "answers at none of the addresses of its name ({first} refused the connection, {second} refused the connection)"
        );
        assert_eq!(outcome.to_string(), words);
    }

    /// Answers with what is in `answer` at the time.
    fn name_server(answer: &Arc<Mutex<io::Result<SocketAddr>>>) -> Lookup {
        let answer = Arc::clone(answer);
        Box::new(move |_| {
            let answer = match &*answer.lock().unwrap() {
                Ok(address) => Ok(vec![*address]),
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            Box::pin(std::future::ready(answer))
        })
    }

    #[tokio::test]
    async fn a_name_that_moves_is_told_and_its_new_place_is_checked() {
        let (a, _first) = somewhere("127.0.0.1").await;
        let (b, _second) = somewhere("127.0.0.2").await;
        let answer = Arc::new(Mutex::new(Err(io::Error::other("no such host"))));
        let (reports, mut heard) = mpsc::channel(1);
        let (_pace, pace) = watch::channel(Duration::from_millis(1));
        let task = task(reports, pace);
        let cancel = task.cancel.clone();
        let running = tokio::spawn(task.run_with(name_server(&answer)));

        let mut places = Vec::new();
        let mut outcomes = Vec::new();
        while places.len() < 3 || outcomes.len() < 3 {
            let news = tokio::time::timeout(Duration::from_secs(60), heard.recv());
            match news.await.unwrap().unwrap() {
                FromNode::Resolved(_, target, why) => places.push((target, why)),
                FromNode::Checked(_, report) if outcomes.len() < places.len() => {
                    outcomes.push(report.outcome);
                    *answer.lock().unwrap() = Ok(if outcomes.len() < 2 { a } else { b });
                }
                FromNode::Checked(..) => {}
            }
        }
        let why = "no such host".to_owned();
        assert_eq!(
            places,
            [
                (None, Some(why.clone())),
                (Some(Target::Tcp(a)), None),
                (Some(Target::Tcp(b)), None)
            ]
        );
        let unresolved = Outcome::Unresolved(why.as_str().into());
        assert_eq!(outcomes, [unresolved, Outcome::Closed, Outcome::Closed]);
        cancel.cancel();
        running.await.unwrap();
    }
}
