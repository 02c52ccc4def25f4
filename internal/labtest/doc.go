// Package labtest is how tests reach the lab of examples/lab: real hosts with
// systemd and sshd, and a services host with PostgreSQL, MariaDB, Redis, HAProxy
// and nginx.
//
//	lab := labtest.Need(t)                    // skips where there is no lab
//	lab.Lock(t)                               // other packages' tests wait
//	lab.Wipe(t, "h1", "h2", "h3")             // fresh disks
//	inv := lab.Inventory(t, labtest.Options{}) // its own database, Redis and cluster name
//
// `make test` brings labs up and sets GHADEPLOY_LAB to their folders (LAB_DIR of
// lab.sh): a test process takes one that is free. With GHADEPLOY_GRAFANA_DIR set, releases of that folder are used in
// place of the stand-in.
package labtest
