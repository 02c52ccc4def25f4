// Package listener makes sure of who answers on a host before a login is sent there. On
// a host any user may listen on Grafana's port while Grafana is down, and would be told
// the administrator's password by the next one who logs in. Every connection that a
// login may go over is made here: it is opened, then the host is asked, in one round
// trip, whose the sockets at that address are, and only when all of them are those of
// Grafana's unit a first byte is sent.
package listener
