//! The replicas that a node lists in INFO replication: `slave0:ip=10.1.1.2,port=6379,state=online,...`.
//!
//! Where they are comes from the replicas themselves (`replica-announce-ip`) or from their end of the
//! connection, so it may be an address that nobody else can reach. It is a hint where to ask, no more.

use super::listing::is_host;
use crate::core::facts::HostPort;

/// More lines than this are not read.
const MOST: usize = 256;

/// Where the connected replicas are, in the order of the lines.
pub fn followers(info: &str) -> Vec<HostPort> {
    let lines = info.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        let number = key.strip_prefix("slave")?;
        number.parse::<u32>().ok()?;
        follower(value)
    });
    lines.take(MOST).collect()
}

fn follower(value: &str) -> Option<HostPort> {
    let field = |name: &str| {
        let mut pairs = value.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    if let (Some(ip), Some(port)) = (field("ip"), field("port")) {
        return place(ip, port);
    }
    // Redis before 2.8: `10.1.1.2,6379,online`.
    let mut words = value.split(',');
    place(words.next()?, words.next()?)
}

fn place(host: &str, port: &str) -> Option<HostPort> {
    let port: u16 = port.trim().parse().ok().filter(|port| *port > 0)?;
    is_host(host).then(|| HostPort::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_all_versions_are_read_and_others_are_not() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:4\r\n\
            slave0:ip=10.1.1.2,port=6379,state=online,offset=70,lag=1\r\n\
            slave1:10.1.1.3,6380,online\r\n\
            slave2:ip=fd00::4,port=6379,state=wait_bgsave,offset=0,lag=0,type=replica\r\n\
            slave3:ip=redis-5.example,port=6379,state=online\r\n\
            slave4:ip=,port=6379,state=online\r\nslave5:ip=10.1.1.9,port=0,state=online\r\n\
            slave6:ip=a b,port=1,state=online\r\n\
            slave_priority:100\r\nslave_repl_offset:5\r\nmaster_repl_offset:84\r\n";
        let found: Vec<String> = followers(info).iter().map(ToString::to_string).collect();
        let expected = [
            "10.1.1.2:6379",
            "10.1.1.3:6380",
            "[fd00::4]:6379",
            "redis-5.example:6379",
        ];
        assert_eq!(found, expected);
    }
}
