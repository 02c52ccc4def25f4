package database

import (
	"context"
	"errors"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Server asks db through conn what it is. It logs in as Grafana's user or, where that
// cannot log in yet because role or database are still to be made, as the
// administrator of database.create.
func Server(ctx context.Context, conn fleet.Conn, db inventory.Database) (grafana.DatabaseServer, error) {
	open, err := Open(ctx, conn, db, nil)
	if failed, isLogin := errors.AsType[*LoginError](err); isLogin && db.Create != nil && failed.Kind != Unreachable {
		open, err = Open(ctx, conn, db, db.Create)
	}
	if err != nil {
		return grafana.DatabaseServer{}, err
	}
	defer func() { _ = open.Close() }()
	return grafana.ParseDatabaseServer(db.Type, open.version), nil
}
