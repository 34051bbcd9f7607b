// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slipwayhq/slipway/starter/cli"
)

var update = flag.Bool("update", false, "write what the scripts expect anew")

func TestMain(m *testing.M) {
	as := func(name string) func() {
		return func() {
			os.Exit(cli.Run(context.Background(), cli.Terminal{
				In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: time.Now, User: "alice", Name: name,
			}, os.Args[1:]))
		}
	}
	testscript.Main(m, map[string]func(){"slipway": as("slipway"), "kubectl-slipway": as("/usr/local/bin/kubectl-slipway")})
}

// TestScripts runs the command line as people do, where no Temporal is.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			// Nothing listens here: a script that reaches Temporal fails at once.
			e.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
			return nil
		},
	})
}
