// SPDX-License-Identifier: Apache-2.0

// Command driver builds the sandbox's programs, starts them in namespaces of their own, and takes
// everything with it when it goes.
//
//	driver build             build what is missing
//	driver up --dir DIR      start a sandbox and stay until a signal ends it
//	driver kill PART --dir DIR, driver start PART --dir DIR
//	driver image VERSION [NAME=VALUE…] --dir DIR    make an image of the sample service
//
// "up" opens the published ports on the host's loopback interface and starts itself again, as process 1
// of new network, pid and mount namespaces (and a user namespace, when it is not root). That second
// process brings the parts up, hands connections through, and dies with the first: then the kernel ends
// everything in its pid namespace.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// flags of every command.
type flags struct {
	dir, source string
	ports       sandbox.Ports
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: build, up, kill, start or image")
	}
	if args[0] == innerArg {
		return inner(ctx)
	}
	f, rest, err := parse(args)
	if err != nil {
		return err
	}
	switch args[0] {
	case "build":
		_, err := build(ctx, f)
		return err
	case "up":
		return up(ctx, f)
	case "kill", "start":
		return control(ctx, args[0], f, rest)
	case "image":
		return image(f, rest)
	}
	return fmt.Errorf("%q is not a command; there are build, up, kill, start and image", args[0])
}

// parse takes flags and words in any order.
func parse(args []string) (flags, []string, error) {
	f := flags{}
	set := flag.NewFlagSet("driver "+args[0], flag.ContinueOnError)
	set.StringVar(&f.dir, "dir", ".sandbox", "directory for all state")
	set.StringVar(&f.source, "source", "testsuite/sandbox", "directory of the sandbox's source")
	set.IntVar(&f.ports.Gateway, "gateway-port", 0, "host port of the gateway; 0: any free one")
	set.IntVar(&f.ports.Kube, "kube-port", 0, "host port of the Kubernetes API")
	set.IntVar(&f.ports.Prometheus, "prometheus-port", 0, "host port of Prometheus")
	set.IntVar(&f.ports.Temporal, "temporal-port", 0, "host port of Temporal")
	set.IntVar(&f.ports.TemporalUI, "ui-port", 0, "host port of Temporal's web UI")
	var words []string
	for rest := args[1:]; len(rest) > 0; {
		if err := set.Parse(rest); err != nil {
			return f, nil, err
		}
		if rest = set.Args(); len(rest) > 0 {
			words, rest = append(words, rest[0]), rest[1:]
		}
	}
	var err error
	if f.dir, err = filepath.Abs(f.dir); err != nil {
		return f, nil, fmt.Errorf("find directory: %w", err)
	}
	f.source, err = filepath.Abs(f.source)
	return f, words, err
}

func build(ctx context.Context, f flags) (map[string]string, error) {
	return sandbox.Builder{Source: f.source, Out: os.Stdout}.Build(ctx, sandbox.Parts()...)
}

func control(ctx context.Context, deed string, f flags, words []string) error {
	if len(words) != 1 {
		return fmt.Errorf("name one part to %s: kube, gateway, prometheus or temporal", deed)
	}
	s, err := sandbox.Open(f.dir)
	if err != nil {
		return err
	}
	if deed == "kill" {
		return s.Kill(ctx, words[0])
	}
	return s.StartPart(ctx, words[0])
}

func image(f flags, words []string) error {
	if len(words) == 0 {
		return errors.New("name the version: image v2 ERROR_RATE=0.05")
	}
	s, err := sandbox.Open(f.dir)
	if err != nil {
		return err
	}
	env := map[string]string{}
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return fmt.Errorf("%q is not NAME=VALUE", w)
		}
		env[name] = value
	}
	ref, err := s.PutImage(words[0], env)
	if err == nil {
		fmt.Println(ref)
	}
	return err
}
