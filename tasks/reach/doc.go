// Package reach knows the changes whose effect goes beyond the restart of a host: another
// database, another secret_key, another way for Alertmanagers to meet, a plugin taken away.
// It compares what a host runs with what it shall run, says what users will notice, in
// numbers, and which way of going through the hosts is safe. It is pure.
package reach
