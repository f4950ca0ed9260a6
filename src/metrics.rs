//! The names of all metrics, in one file.

/// Open client connections, parked ones included; labels: listener.
pub const LISTENER_CONNECTIONS: &str = "rolecall_listener_connections";
/// Connections accepted; labels: listener.
pub const LISTENER_CONNECTIONS_TOTAL: &str = "rolecall_listener_connections_total";
/// Connections sent away unserved; labels: listener, reason.
pub const LISTENER_REJECTED_TOTAL: &str = "rolecall_listener_rejected_total";
/// Parked connections; labels: listener.
pub const LISTENER_PARKED: &str = "rolecall_listener_parked";
/// How long connections were parked; labels: listener, result.
pub const PARK_WAIT_SECONDS: &str = "rolecall_park_wait_seconds";
/// How long successful dials took; labels: node.
pub const CONNECT_SECONDS: &str = "rolecall_connect_seconds";
/// Open sessions; labels: group, node.
pub const NODE_SESSIONS: &str = "rolecall_node_sessions";
/// Sessions joined to the node; labels: group, node.
pub const NODE_SESSIONS_TOTAL: &str = "rolecall_node_sessions_total";
/// Bytes received from the node; labels: group, node.
pub const NODE_RECEIVED_BYTES_TOTAL: &str = "rolecall_node_received_bytes_total";
/// Bytes sent to the node; labels: group, node.
pub const NODE_SENT_BYTES_TOTAL: &str = "rolecall_node_sent_bytes_total";
/// Sessions ended; labels: listener, reason.
pub const SESSIONS_CLOSED_TOTAL: &str = "rolecall_sessions_closed_total";
