// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/blang/semver/v4"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	schema "go.temporal.io/server/schema/sqlite"

	_ "modernc.org/sqlite" // registers the driver
)

const storeName = "sqlite"

// stores is one file for everything. A write-ahead log with synchronous=normal survives the death of
// the process: what was written is in the kernel's hands.
func stores(file string) map[string]config.DataStore {
	return map[string]config.DataStore{storeName: {SQL: &config.SQL{
		PluginName: sqlite.PluginName, DatabaseName: file, MaxConns: 1, MaxIdleConns: 1,
		ConnectAttributes: map[string]string{"mode": "rw", "journal_mode": "wal", "synchronous": "normal", "busy_timeout": "10000"},
	}}}
}

// createNamespace does nothing when the namespace is there.
func createNamespace(c *config.SQL) error {
	n, err := schema.NewNamespaceConfig(clusterName, namespace, false, nil)
	if err != nil {
		return err
	}
	n.Detail.Config.Retention.Seconds = int64(retention.Seconds())
	return schema.CreateNamespaces(c, n)
}

// migrate makes the file with its schema under another name and renames it, so that a boot that is
// killed leaves no half-made file. The server records no schema version in SQLite, so it is kept in
// the file's user_version; a file of another version is refused, since a sandbox's state is not worth
// a migration.
func migrate(ctx context.Context, file string) error {
	want, err := semver.ParseTolerant(schema.Version)
	if err != nil {
		return fmt.Errorf("parse schema version: %w", err)
	}
	version := int(want.Major)*1000 + int(want.Minor) + 1
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return create(ctx, file, version)
	}
	have, err := readVersion(ctx, file)
	if err != nil {
		return err
	}
	if have != version {
		return fmt.Errorf("open %s: it has schema %d, this server needs %d; delete the file to begin anew", file, have, version)
	}
	return nil
}

func create(ctx context.Context, file string, version int) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("make database directory: %w", err)
	}
	fresh := file + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove unfinished database: %w", err)
	}
	err := schema.SetupSchema(&config.SQL{
		PluginName: sqlite.PluginName, DatabaseName: fresh, ConnectAttributes: map[string]string{"mode": "rwc", "synchronous": "off"},
	})
	if err != nil {
		return fmt.Errorf("create schema in %s: %w", fresh, err)
	}
	db, err := sql.Open("sqlite", fresh)
	if err != nil {
		return fmt.Errorf("open %s: %w", fresh, err)
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("write version of %s: %w", fresh, err)
	}
	return os.Rename(fresh, file)
}

func readVersion(ctx context.Context, file string) (int, error) {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", file, err)
	}
	var version int
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	if err := errors.Join(err, db.Close()); err != nil {
		return 0, fmt.Errorf("read version of %s: %w", file, err)
	}
	return version, nil
}
