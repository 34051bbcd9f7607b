// SPDX-License-Identifier: Apache-2.0

// Command slipway is what people and CI use: it starts releases, watches them, and tells them things.
package main

import (
	"context"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/slipwayhq/slipway/starter/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := cli.Run(ctx, cli.Terminal{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Live: term.IsTerminal(int(os.Stdout.Fd())), Asks: term.IsTerminal(int(os.Stdin.Fd())), Now: time.Now,
		User: who(), Key: os.Getenv("SLIPWAY_APPROVAL_KEY"),
		Raw: raw, Size: size, Name: os.Args[0],
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

// raw reads keys one by one, until what it returns is called.
func raw() (func(), error) {
	in := int(os.Stdin.Fd())
	before, err := term.MakeRaw(in)
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(in, before) }, nil
}

// size of the screen; 0 where it is not known.
func size() (width, height int) {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// who runs the command, as far as the machine knows. SLIPWAY_USER names a CI job.
func who() string {
	if name := os.Getenv("SLIPWAY_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}
