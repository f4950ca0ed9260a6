# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rolecall_global_optspecs
    string join \n h/help V/version
end

function __fish_rolecall_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rolecall_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rolecall_using_subcommand
    set -l cmd (__fish_rolecall_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c rolecall -n "__fish_rolecall_needs_command" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_needs_command" -s V -l version -d 'Print version'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "run" -d 'Run the proxy until SIGTERM or SIGINT; a second signal ends it at once'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "check" -d 'Say whether a configuration file is valid and its nodes are well, or whether a running proxy is ready'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "import" -d 'Translate a configuration of HAProxy in front of Redis; tells what became of each line'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "init" -d 'Find a group through some of its nodes or its Sentinels, and write a configuration for it'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "demo" -d 'Show a failover on this machine: starts real Redis and Sentinel processes; needs redis-server'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "status" -d 'Show who is primary, since when and why, every node, and who serves each listener'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "top" -d 'The same each second, with the latest events; ends with Ctrl-C'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "explain" -d 'Say for each node of a listener\'s chain why it gets new connections or not'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "events" -d 'Print the last events: elections with their evidence, verdicts, orders, closes'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "drain" -d 'Give a node no new sessions; the open ones go on'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "maintenance" -d 'Close a node\'s sessions and keep it out: it is not elected and has no vote'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "ready" -d 'Take back drain or maintenance'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "reload" -d 'Have the proxy read its configuration again; prints what changed'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "switchover" -d 'Make another node the primary, and prints a timeline'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "log-level" -d 'Change the level of the proxy\'s log until it is started again'
complete -c rolecall -n "__fish_rolecall_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rolecall -n "__fish_rolecall_using_subcommand run" -s c -l config -d 'The configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand run" -l takeover-limit -d 'How long the process that is taken over from may keep its sessions' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand run" -l watch -d 'Read the configuration again when the file changes, or a password file that it names'
complete -c rolecall -n "__fish_rolecall_using_subcommand run" -l takeover -d 'Take over from the running process without refusing anybody: an upgrade'
complete -c rolecall -n "__fish_rolecall_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -s c -l config -d 'The configuration file to validate; tells all its errors' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -l ready -d 'The /readyz address of a running proxy, such as <http://127.0.0.1:9379/readyz>' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -l connect -d 'Also ask every node and every Sentinel now, and tell what a proxy would make of the answers'
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -l json -d 'Print what --connect found as JSON (the type Survey of src/api)'
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -l no-color -d 'No colours, as with `NO_COLOR`'
complete -c rolecall -n "__fish_rolecall_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand import" -s o -l output -d 'Where to write the new configuration; without it, to standard output, and the report to standard error' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand import" -l force -d 'Overwrite the output file'
complete -c rolecall -n "__fish_rolecall_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -l sentinel -d 'A Sentinel: host or host:port (26379 by default); may be repeated, it names the others' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -l name -d 'What Sentinel calls the group; may be left out while it watches one group only' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -l user -d 'The ACL user for the checks (Redis 6 and later)' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -l password-file -d 'Take the password from this file instead of the environment variable `REDIS_PASSWORD`' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -s o -l output -d 'Write the configuration here instead of to standard output' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -l force -d 'Write over a file that is there'
complete -c rolecall -n "__fish_rolecall_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand demo" -l story -d 'Play a whole failover by itself, with times, and end'
complete -c rolecall -n "__fish_rolecall_using_subcommand demo" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand status" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand status" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand status" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand status" -l no-color -d 'No colours; also with `NO_COLOR` set, and where the output is no terminal'
complete -c rolecall -n "__fish_rolecall_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -l once -d 'Show it once and end'
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -l no-color -d 'No colours; also with `NO_COLOR` set, and where the output is no terminal'
complete -c rolecall -n "__fish_rolecall_using_subcommand top" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand explain" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand explain" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand explain" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand explain" -l no-color -d 'No colours; also with `NO_COLOR` set, and where the output is no terminal'
complete -c rolecall -n "__fish_rolecall_using_subcommand explain" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -s n -l limit -d 'So many of the past at most, up to 1000' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -s f -l follow -d 'Go on with each event as it comes'
complete -c rolecall -n "__fish_rolecall_using_subcommand events" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -l group -d 'Its group, where several groups have a node of that name' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -l timeout -d 'How long to wait at most, such as 30s or 5m; it stays drained' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -l wait -d 'Return when its last session has gone (exit code 0), or at --timeout (exit code 1)'
complete -c rolecall -n "__fish_rolecall_using_subcommand drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand maintenance" -l group -d 'Its group, where several groups have a node of that name' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand maintenance" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand maintenance" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand maintenance" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand maintenance" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -l group -d 'Its group, where several groups have a node of that name' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -l accept-history -d 'Its data replaced the group\'s on purpose: take its replication history for the group\'s'
complete -c rolecall -n "__fish_rolecall_using_subcommand ready" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand reload" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand reload" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand reload" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -l to -d 'The node that is to be primary; without it the replica that lacks least. Not with Sentinels' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -l timeout -d 'How long the handover may take, at most 40s' -r
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand switchover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rolecall -n "__fish_rolecall_using_subcommand log-level" -l socket -d 'The admin socket of the proxy [default: /run/rolecall/admin.sock]' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand log-level" -s c -l config -d 'Take the admin socket from this configuration file' -r -F
complete -c rolecall -n "__fish_rolecall_using_subcommand log-level" -l json -d 'Print JSON, as described at /api'
complete -c rolecall -n "__fish_rolecall_using_subcommand log-level" -s h -l help -d 'Print help'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "run" -d 'Run the proxy until SIGTERM or SIGINT; a second signal ends it at once'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "check" -d 'Say whether a configuration file is valid and its nodes are well, or whether a running proxy is ready'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "import" -d 'Translate a configuration of HAProxy in front of Redis; tells what became of each line'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "init" -d 'Find a group through some of its nodes or its Sentinels, and write a configuration for it'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "demo" -d 'Show a failover on this machine: starts real Redis and Sentinel processes; needs redis-server'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "status" -d 'Show who is primary, since when and why, every node, and who serves each listener'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "top" -d 'The same each second, with the latest events; ends with Ctrl-C'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "explain" -d 'Say for each node of a listener\'s chain why it gets new connections or not'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "events" -d 'Print the last events: elections with their evidence, verdicts, orders, closes'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "drain" -d 'Give a node no new sessions; the open ones go on'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "maintenance" -d 'Close a node\'s sessions and keep it out: it is not elected and has no vote'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "ready" -d 'Take back drain or maintenance'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "reload" -d 'Have the proxy read its configuration again; prints what changed'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "switchover" -d 'Make another node the primary, and prints a timeline'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "log-level" -d 'Change the level of the proxy\'s log until it is started again'
complete -c rolecall -n "__fish_rolecall_using_subcommand help; and not __fish_seen_subcommand_from run check import init demo status top explain events drain maintenance ready reload switchover log-level help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
