// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

const (
	access, secret, region = "worker", "a secret of nobody", "eu-test-1"
	stranger, bucket       = "stranger", "records"
)

var address string

// One process can have only one store; each test has a prefix of its own.
func TestMain(m *testing.M) {
	code, err := serve(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func serve(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "slipway-s3-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what is left
	objects, about, people := filepath.Join(dir, "objects"), filepath.Join(dir, "about"), filepath.Join(dir, "people")
	for _, d := range []string{objects, about, people} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return 0, err
		}
	}
	side, err := meta.NewSideCar(about)
	if err != nil {
		return 0, err
	}
	files, err := posix.New(objects, side, posix.PosixOpts{SideCarDir: about, NewDirPerm: 0o700})
	if err != nil {
		return 0, err
	}
	defer files.Shutdown()
	root := auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin}
	accounts, err := auth.NewInternal(root, people)
	if err != nil {
		return 0, err
	}
	// Somebody known, to whom nothing was granted.
	if err := accounts.CreateAccount(auth.Account{Access: stranger, Secret: secret, Role: auth.RoleUser}); err != nil {
		return 0, err
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	server, err := s3api.New(files, middlewares.RootUserConfig{Access: access, Secret: secret}, region,
		accounts, nil, nil, nil, nil, s3api.WithQuiet(), s3api.WithConcurrencyLimiter(100, 100),
		s3api.WithOnListen(func() { close(ready) }))
	if err != nil {
		return 0, err
	}
	if address, err = free(); err != nil {
		return 0, err
	}
	go func() { ended <- server.ServeMultiPort([]string{address}) }()
	select {
	case err := <-ended:
		return 0, err
	case <-ready:
	}
	code := m.Run()
	return code, server.ShutDown()
}

func free() (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// reach lets this process reach the store at an address, as an environment does.
func reach(t *testing.T, address string) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://"+address)
	t.Setenv("AWS_REGION", region)
	t.Setenv("AWS_ACCESS_KEY_ID", access)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", "")
}

// administrator makes the bucket, and looks into it past what is tested.
func administrator(t *testing.T) *minio.Client {
	t.Helper()
	c, err := minio.New(address, &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: region})
	require.NoError(t, err)
	there, err := c.BucketExists(t.Context(), bucket)
	require.NoError(t, err)
	if !there {
		require.NoError(t, c.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}))
	}
	return c
}
