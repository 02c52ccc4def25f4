// Package remote is one host over SSH: connect, run, become root, put files,
// tunnel. It knows nothing of Grafana and nothing of inventories.
//
//	Dialer.Dial ──▶ Client ──▶ Run / Start      a command, as the login user or as root
//	                       ──▶ Put              a file, verified and renamed into place
//	                       ──▶ Dial / Listen    a tunnel to (or from) the host
//
// A host gets one TCP connection, however much is done on it; everything above
// is a channel of that connection. Host keys are always verified. Everything
// that waits takes a context and has a deadline.
package remote
