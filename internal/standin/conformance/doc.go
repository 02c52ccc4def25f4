// Package conformance is one suite for every release that tests deploy: the
// stand-in's own and, with GHADEPLOY_GRAFANA_DIR, the real ones in that folder.
// It runs nodes as processes on 127.0.0.1 with a PostgreSQL and a Redis of its
// own and asserts what ghadeploy relies on.
package conformance
