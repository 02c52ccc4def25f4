// Package lock keeps two runs from changing a host at once.
//
//	Acquire ─▶ Lock ─▶ Renew │ Journal, Good │ Release    a run's: ends with its connection
//	Freeze  ─▶ Unlock                                     by hand: outlives the process
//	Read    ─▶ Status                                     who holds a host
//
// The lock of a host is a flock on <state>/lock, held by a process on that host
// (lock.sh) which lives as long as our connection to it: the kernel frees it with the
// process. For links that are cut without a word the holder gives a sign of life every
// few seconds, and a watchdog on the host ends the process without one.
//
// What a run writes into a host's journal goes through the process that holds its
// lock, so only who holds a host writes there.
package lock
