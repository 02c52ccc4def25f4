//go:build race

package main

// withRace: memory says nothing when the race detector keeps a shadow of it.
const withRace = true
