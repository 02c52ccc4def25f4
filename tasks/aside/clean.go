package aside

import (
	"context"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// cleanScript ends the unit and removes the folder. A release goes with it that was
// brought for it alone, and that no generation has come to use since.
// $1 root  $2 unit
const cleanScript = `
set -u
R=$1 V=$2 a=$1/aside
if [ "$(systemctl show -p LoadState "$V")" = LoadState=loaded ]; then
	systemctl kill -s KILL "$V" 2>/dev/null
	systemctl stop "$V" 2>/dev/null
	systemctl reset-failed "$V" 2>/dev/null
	echo found
fi
[ -d "$a" ] || exit 0
echo found
if [ -r "$a/brought" ]; then
	IFS= read -r n <"$a/brought"
	used=
	for g in "$R"/generations/*/release; do
		case $(readlink "$g") in */"$n") used=1 ;; esac
	done
	case $n in '' | . | .. | */*) used=1 ;; esac
	[ -n "$used" ] || rm -rf "$R/releases/$n" "$R/releases/.new-$n"
fi
rm -rf "$a"
`

// Clean removes a Grafana on the side with all that it has from a host, and tells whether
// there was anything. Whoever started it, it ends.
func Clean(ctx context.Context, h fleet.Host, p Place) (found bool, err error) {
	res, err := h.Run(ctx, remote.Command{Step: "remove the Grafana on the side", Script: cleanScript, Args: []string{p.Root, p.Unit()}, Become: true, Timeout: time.Minute})
	return strings.Contains(string(res.Stdout), "found"), err
}

// bringScript notes a release before it is brought.
const bringScript = `
set -e
umask 077
mkdir -p "$1/aside"
printf '%s\n' "$2" >"$1/aside/brought"
`

// Bring notes that a release is about to be brought to a host for the Grafana on the side
// alone: [Clean] takes it away again.
func Bring(ctx context.Context, h fleet.Host, p Place, release string) error {
	_, err := h.Run(ctx, remote.Command{Step: "note the release", Script: bringScript, Args: []string{p.Root, release}, Become: true})
	return err
}
