package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"changefeed/cmd/config"
	"changefeed/internal/localpg"
)

// The names of what the demo makes.
const (
	database     = "shop"
	superuser    = "postgres"
	ownerRole    = "shop"       // the application
	feedRole     = "changefeed" // publisher and pillow
	topic        = "orders"
	reportSchema = "reports"
	reportTable  = "orders"
)

// serverSettings let the planner learn soon how the tables have grown, from
// nothing to thousands of rows in seconds: else statements that were planned on
// empty tables go on reading whole ones.
var serverSettings = map[string]string{"autovacuum_naptime": "1s"}

// schema is made by the superuser.
const schema = `
CREATE TABLE orders (
	order_id   bigint PRIMARY KEY,
	tenant     text NOT NULL,
	kind       text NOT NULL,
	customer   text NOT NULL,
	total      numeric(12,2) NOT NULL,
	note       text,
	deleted_on timestamptz,
	updated_at timestamptz NOT NULL
);
CREATE TABLE order_lines (
	order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
	line_no  integer NOT NULL,
	sku      text NOT NULL,
	quantity integer NOT NULL,
	price    numeric(10,2) NOT NULL,
	PRIMARY KEY (order_id, line_no)
);
ALTER TABLE orders OWNER TO shop;
ALTER TABLE order_lines OWNER TO shop;
GRANT SELECT ON orders, order_lines TO changefeed;
CREATE SCHEMA reports AUTHORIZATION changefeed;
CREATE SCHEMA changefeed AUTHORIZATION changefeed;
`

// shop is the database that the demo works on.
type shop struct{ server *localpg.Server }

// open makes the database of the shop and its roles.
func (s shop) open(ctx context.Context) error {
	err := s.execute(ctx, "postgres", "CREATE ROLE shop LOGIN; CREATE ROLE changefeed LOGIN REPLICATION")
	if err == nil {
		err = s.server.CreateDatabase(ctx, database)
	}
	if err == nil {
		err = s.execute(ctx, database, schema)
	}
	if err != nil {
		return fmt.Errorf("make the demo's database: %w", err)
	}
	return nil
}

func (s shop) execute(ctx context.Context, in, sql string) (err error) {
	conn, err := pgx.Connect(ctx, s.server.DSN(in))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	_, err = conn.Exec(ctx, sql)
	return err
}

// dsn is a connection string for a role of the shop, through the socket.
func (s shop) dsn(role string) (string, error) {
	u, err := url.Parse(s.server.DSN(database))
	if err != nil {
		return "", fmt.Errorf("make connection string: %w", err)
	}
	u.User = url.User(role)
	return u.String(), nil
}

// connect opens a session of a role. Close it.
func (s shop) connect(ctx context.Context, role string) (*pgx.Conn, error) {
	dsn, err := s.dsn(role)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to the demo's database: %w", err)
	}
	return conn, nil
}

// configuration is what changefeed.yaml would say, for connection strings of the
// source and of the state. The broker's files are in the server's directory, which
// goes with the process, however that ends.
func (s shop) configuration(dsn, state string) (*config.Config, error) {
	kind, order, notNull := "kind", "Order", "not null"
	cfg := &config.Config{
		State:   config.State{DSN: state},
		DataDir: filepath.Join(s.server.Dir(), "changefeed-data"),
		Postgres: []config.Postgres{{
			Name: database,
			DSN:  dsn,
			Tables: []config.Table{{
				Table:           "public.orders",
				Topic:           topic,
				DocumentID:      []string{"order_id"},
				DocumentType:    &config.Value{Constant: &order},
				DocumentSubtype: &config.Value{Column: kind},
				Domain:          &config.Value{Column: "tenant"},
				Deleted:         &config.Condition{Column: "deleted_on", Is: &notNull},
			}, {
				Table:      "public.order_lines",
				Parent:     "public.orders",
				DocumentID: []string{"order_id"},
			}},
		}},
		Pillows: []config.Pillow{{
			Name:   "orders",
			Topics: []string{topic},
			Processors: []config.Processor{{Table: &config.ReportTable{
				Schema: reportSchema,
				Name:   reportTable,
				Columns: []config.Column{
					{Name: "order_id", Path: "_id", Type: "bigint", PrimaryKey: true},
					{Name: "tenant", Path: "tenant", Type: "text"},
					{Name: "kind", Path: "kind", Type: "text"},
					{Name: "customer", Path: "customer", Type: "text"},
					{Name: "total", Path: "total", Type: "numeric"},
					{Name: "note", Path: "note", Type: "text"},
					{Name: "updated_at", Path: "updated_at", Type: "timestamptz"},
				},
			}}},
		}},
		DrainTimeout: config.Duration(10 * time.Second),
	}
	if err := cfg.Complete(); err != nil {
		return nil, fmt.Errorf("make the demo's configuration: %w", err)
	}
	return cfg, nil
}
