package redisconn

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// notNow are the replies of a Redis that will serve in a while.
var notNow = []string{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"}

// Away says why Redis does not answer through a host. It is nil when Redis does,
// when it refuses us, and when nobody can tell, since the host is lost or does not forward.
func Away(ctx context.Context, h fleet.Host, cfg inventory.Redis) error {
	ctx, cancel := context.WithTimeout(ctx, 2*Timeout)
	defer cancel()
	client, err := Open(ctx, h, cfg)
	if err != nil {
		return nil // of the operator's own certificates
	}
	defer client.Close()
	err = client.Ping(ctx).Err()
	if reply, ok := errors.AsType[redis.Error](err); ok {
		if !slices.ContainsFunc(notNow, func(word string) bool { return strings.HasPrefix(reply.Error(), word) }) {
			return nil
		}
	}
	_, lost := errors.AsType[*remote.UnreachableError](err)
	if lost || errors.Is(err, remote.ErrForwardingRefused) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
