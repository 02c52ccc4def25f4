// Package redisconn asks a Redis that the hosts of a cluster share, with the login,
// TLS, Sentinels or Redis Cluster of the inventory. Every connection goes out from a host,
// so that what is asked is what Grafana there reaches. What comes back is bounded.
package redisconn
