// Package bench measures ghadeploy beside ssh, scp, tar and Ansible, on the
// hosts of a lab. Its measurements are tests only in form: they skip unless
// `make bench` runs them, and they assert no time.
package bench
