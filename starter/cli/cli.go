// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Terminal is the world of a command.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Live is true where a screen can be drawn over.
	Live bool
	// Asks is true where a person can answer on In.
	Asks bool
	Now  func() time.Time
	// User is who gives the command.
	User string
	// Key is the private key as text by which decisions are signed; empty: none.
	Key string
	// Raw lets keys be read one by one until what it returns is called; nil where In is no terminal.
	Raw func() (restore func(), err error)
	// Size of the screen in characters; nil where nobody knows.
	Size func() (width, height int)
	// Name that the program was called by; kubectl-slipway makes it a plug-in of kubectl. Default slipway.
	Name string
}

// plugin is the name by which kubectl finds the program as `kubectl slipway`.
const plugin = "kubectl-slipway"

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUndone = 2
)

// ended is an error that carries the exit code of a release's end; its text has been shown already.
type ended struct{ code int }

func (e ended) Error() string { return "the release was not promoted" }

// app is one run of the command line.
type app struct {
	Terminal
	json bool
	dial func(context.Context) (*client.Client, error)
}

// Run executes a command and returns its exit code.
func Run(ctx context.Context, t Terminal, args []string) int {
	a := &app{Terminal: t}
	a.dial = a.reach
	root := a.root()
	root.SetArgs(args)
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	err := root.ExecuteContext(ctx)
	var e ended
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	}
	_, _ = fmt.Fprintln(t.Err, "slipway:", err)
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "slipway", Short: "Durable progressive delivery for Kubernetes", Version: built(),
		SilenceErrors: true, SilenceUsage: true,
	}
	var output string
	root.PersistentFlags().StringVarP(&output, "output", "o", "text", "text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if output != "text" && output != "json" {
			return fmt.Errorf("output %q: write text or json", output)
		}
		a.json = output == "json"
		return nil
	}
	root.AddCommand(a.lint(), a.schema(), a.choose(), a.plan(), a.judge(), a.release(), a.rollback(), a.undo(), a.rescue(), a.status(), a.watch(), a.history(),
		a.lane(), a.withdraw(), a.freeze(), a.thaw(), a.stopTheLine(), a.newKey(), a.slack(), a.serve(), a.token(), a.get(), a.describe(), a.logs(), a.diff())
	for _, c := range []struct{ name, short string }{
		{workflows.Approve, "Approve what a release asks for"},
		{workflows.Reject, "Answer what a release asks for with a no; it is undone"},
		{workflows.Pause, "Stay at the present weight; the watch goes on"},
		{workflows.Resume, "Go on after a pause, and say what becomes of somebody else's edits"},
		{workflows.Promote, "Skip the remaining steps and go to 100 %; the bake still follows"},
		{workflows.Abort, "End a release and undo it"},
		{workflows.Override, "Let a release go on in spite of the freezes and stops of this moment"},
	} {
		root.AddCommand(a.tell(c.name, c.short))
	}
	a.completing(root)
	if filepath.Base(a.Name) == plugin {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl slipway"}
	}
	return root
}

// lint checks a plan file; nothing is started.
func (a *app) lint() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "lint -f FILE", Short: "Check a plan and print it with every default", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := a.load(file)
			if err != nil {
				return err
			}
			return a.printPlan(p)
		},
	}
	planFlag(cmd, &file)
	return cmd
}

func (a *app) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of a plan, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.Out.Write(plan.Schema)
			return err
		},
	}
}

// built is the version that this program was built from, as Go knows it.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

// tell gives a release one command.
func (a *app) tell(name, short string) *cobra.Command {
	var reason, by string
	var keep, takeBack bool
	cmd := &cobra.Command{
		Use: name + " ENVIRONMENT/NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				s, err := c.Decide(cmd.Context(), client.Decision{Lane: lane, Command: name, Who: by, How: client.HowKey, Reason: reason, Edits: edits(keep, takeBack)})
				switch {
				case err != nil:
					return err
				case s.Queued:
					return a.print("no worker answers now; %s is kept, and counts when one does: slipway status %s\n", name, lane)
				case a.json:
					return a.encode(s.Status)
				}
				return a.print("%s: %s accepted\n", s.ID, name)
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", a.User, "who says it")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in plain words; it is kept with the release")
	if name == workflows.Resume {
		cmd.Flags().BoolVar(&keep, "keep", false, "count on what somebody else has changed from here on")
		cmd.Flags().BoolVar(&takeBack, "take-back", false, "overwrite it with what the release had left")
		cmd.MarkFlagsMutuallyExclusive("keep", "take-back")
	}
	if name == workflows.Abort || name == workflows.Reject || name == workflows.Override {
		_ = cmd.MarkFlagRequired("reason")
	}
	return cmd
}

// reach dials with the key, where there is one.
func (a *app) reach(ctx context.Context) (*client.Client, error) {
	if a.Key == "" {
		return client.Dial(ctx)
	}
	key, err := statement.ParsePrivate(a.Key)
	if err != nil {
		return nil, fmt.Errorf("read SLIPWAY_APPROVAL_KEY: %w", err)
	}
	c, err := client.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c.SignWith(key), nil
}

// edits is what a resume says about what somebody else has changed; empty: nothing.
func edits(keep, takeBack bool) string {
	switch {
	case keep:
		return workflows.EditsKeep
	case takeBack:
		return workflows.EditsTakeBack
	}
	return ""
}

// with dials and parses the lane that every command on a release needs.
func (a *app) with(ctx context.Context, service string, do func(*client.Client, client.Lane) error) error {
	lane, err := client.ParseLane(service)
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c, lane)
}

func planFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "plan file, - for standard input")
	_ = cmd.MarkFlagRequired("file")
}

func (a *app) load(file string) (plan.Plan, error) {
	if file == "-" {
		return plan.Load(a.In)
	}
	f, err := os.Open(file)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("open plan: %w", err)
	}
	defer func() { _ = f.Close() }()
	p, err := plan.Load(f)
	if err != nil {
		return p, fmt.Errorf("plan %s is not valid; nothing was started:\n%w", file, err)
	}
	return p, nil
}

func (a *app) encode(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.Out, format, args...)
	return err
}
