// Connects to the URLs that it is given with pgx. `name URL…` prints the name of each server's cluster; `cancel URL`
// cancels a query, as a user does who does not want to wait, and prints the SQLSTATE that ends it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var tasks = map[string]func(context.Context, *pgx.Conn) (string, error){
	"name": func(ctx context.Context, conn *pgx.Conn) (name string, err error) {
		err = conn.QueryRow(ctx, "select current_setting('cluster_name')").Scan(&name)
		return name, err
	},
	"cancel": func(ctx context.Context, conn *pgx.Conn) (string, error) {
		failed := make(chan error, 1)
		go func() { failed <- conn.PgConn().CancelRequest(ctx) }()
		_, err := conn.Exec(ctx, "select pg_sleep(20)")
		if cancelled := <-failed; cancelled != nil {
			return "", cancelled
		}
		var told *pgconn.PgError
		if errors.As(err, &told) {
			return told.Code, nil
		}
		return "", fmt.Errorf("not cancelled: %w", err)
	},
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	for _, url := range os.Args[2:] {
		told, err := ask(ctx, url, tasks[os.Args[1]])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(told)
	}
}

func ask(ctx context.Context, url string, task func(context.Context, *pgx.Conn) (string, error)) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	return task(ctx, conn)
}
