// Package localpg runs a private PostgreSQL: one throwaway server, for one
// process, with a logical write-ahead log. The demo and the tests use it.
//
// # Binaries
//
// [Start] looks for initdb and postgres, version 15 or later, in this order:
// the folders of PATH, `pg_config --bindir`, the folders in which packages of
// the usual systems put a server (newest first), and the cache. A cache that
// has none is filled once from Maven Central. Each candidate is asked for its
// version under the account that will run the server, so one that this account
// may not execute is passed over. With none left, Start returns an error that
// wraps [ErrUnavailable]. [Config.Major] asks for one version instead: others
// are passed over, and that one is downloaded.
//
// # Account
//
// PostgreSQL refuses to run as root. A server started by root runs as the user
// postgres, or nobody where there is no postgres, and owns its directory. Any
// other user's server runs as that user.
//
// # Directory and access
//
// Everything is in one directory with mode 0700 and a short path (the path of a
// Unix socket is limited to about a hundred bytes):
//
//	data/               the data directory
//	log                 what initdb and the server print
//	.s.PGSQL.<port>     the socket
//
// A connection through the socket needs no password: only the server's own user
// and root can enter the directory. The server also listens on 127.0.0.1, where
// every local user could connect, so that way asks for a password made at random
// for this server; it is part of [Server.TCPDSN] and of nothing else, in
// particular of no log line and no error. The port is taken from below the range
// from which systems serve outgoing connections, so that it is still free when
// the server comes back after [Server.Halt].
//
// # States
//
//	        Start                Halt
//	(none) ───────▶ running ───────────▶ halted
//	                 │  ▲                  │ │
//	                 │  └──────────────────┘ │
//	                 │        Resume         │
//	     Stop, or    ▼                       │
//	     it died    done ◀───────────────────┘ Stop
//
// A halted server keeps its data and its port. [Server.Done] is closed when the
// server is stopped or dies without having been asked to; [Server.Err] then says
// which, with the last lines of the log. Nothing leaves the state done: Stop is
// still needed after a death, to remove the directory.
//
// # Lifetime
//
// The server and its directory are gone when Stop has returned, and also when
// the process that started it ends in any other way, kill -9 included. A watchdog
// sees to that: a shell that holds the read ends of two pipes.
//
//   - Owner pipe: the write end is in our process only, and is closed on exec.
//     Its end of file says that we are gone, or that Stop was called.
//   - Life pipe: the write end is inherited by initdb, the postmaster and every
//     process of the server. Its end of file says that all of them are gone.
//
// The watchdog leads a process group into which initdb and the postmaster are
// started. On end of file of the owner pipe it sends SIGQUIT to the group (an
// immediate shutdown), waits for end of file of the life pipe, and removes the
// directory. No process identifier is remembered that could have been reused,
// and no moment is uncovered: a child that is between fork and exec still holds
// the owner pipe, and joins the group before its exec closes it. What is left
// open is the moment between making the directory and starting the watchdog,
// which can leave an empty directory.
//
// The group also keeps the interrupt key of a terminal away from the server, so
// that the process that uses it can drain first.
//
// # Durability
//
// fsync is off unless [Config.Fsync] is set. That loses nothing when the server
// crashes or is killed, only when the machine does.
package localpg
