// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/starter/server/slack/payload"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Config is the environment of the Slack part.
type Config struct {
	// BotToken (xoxb-…) posts messages and asks who people are.
	BotToken Secret `env:"SLIPWAY_SLACK_BOT_TOKEN,required,notEmpty"`
	// SigningSecret verifies what Slack sends by HTTP.
	SigningSecret Secret `env:"SLIPWAY_SLACK_SIGNING_SECRET"`
	// AppToken (xapp-…) opens Socket Mode, for a server that Slack cannot reach.
	AppToken Secret `env:"SLIPWAY_SLACK_APP_TOKEN"`
	// Channels by environment, such as "production=C0123,*=C0456"; * is every other one.
	Channels Channels `env:"SLIPWAY_SLACK_CHANNELS,required,notEmpty"`
	// People is a file that says which Slack users and groups the names of plans are.
	People string `env:"SLIPWAY_SLACK_PEOPLE"`
	// Key signs decisions.
	Key statement.Private `env:"SLIPWAY_APPROVAL_KEY,required,notEmpty"`
	// UI is the address of Temporal's UI, for links; empty: none.
	UI string `env:"SLIPWAY_TEMPORAL_UI_URL"`
	// Every is how often releases are looked at, 500ms to 1m.
	Every time.Duration `env:"SLIPWAY_SLACK_EVERY" envDefault:"2s"`
	// API is Slack's own.
	API string `env:"SLIPWAY_SLACK_API_URL" envDefault:"https://slack.com/api/"`

	names names
}

// Secret hides itself from everything that prints.
type Secret = payload.Secret

// Channels are channel IDs by environment.
type Channels map[string]string

// of an environment; empty: its releases are not shown.
func (c Channels) of(environment string) string {
	if id, ok := c[environment]; ok {
		return id
	}
	return c["*"]
}

// Configure reads an environment. Its errors name the variable, and never the value of a secret.
func Configure(environment map[string]string) (Config, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: environment,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[statement.Private](): func(text string) (any, error) { return statement.ParsePrivate(text) },
			reflect.TypeFor[Channels]():          func(text string) (any, error) { return parseChannels(text) },
		},
	})
	if err != nil {
		return c, fmt.Errorf("read environment: %w", err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("read environment: %w", err)
	}
	if c.People != "" {
		text, err := os.ReadFile(c.People)
		if err != nil {
			return c, fmt.Errorf("read SLIPWAY_SLACK_PEOPLE: %w", err)
		}
		if c.names, err = parseNames(text); err != nil {
			return c, fmt.Errorf("read SLIPWAY_SLACK_PEOPLE %s: %w", c.People, err)
		}
	}
	return c, nil
}

func (c *Config) check() error {
	switch {
	case c.SigningSecret == "" && c.AppToken == "":
		return errors.New("SLIPWAY_SLACK_SIGNING_SECRET (HTTP) or SLIPWAY_SLACK_APP_TOKEN (Socket Mode) is needed: without either nobody could be believed")
	case !strings.HasPrefix(string(c.BotToken), "xoxb-"):
		return errors.New("SLIPWAY_SLACK_BOT_TOKEN does not begin with xoxb-; take the Bot User OAuth Token")
	case c.AppToken != "" && !strings.HasPrefix(string(c.AppToken), "xapp-"):
		return errors.New("SLIPWAY_SLACK_APP_TOKEN does not begin with xapp-; take an app-level token with connections:write")
	case c.SigningSecret != "" && len(c.SigningSecret) < minSecret:
		return fmt.Errorf("SLIPWAY_SLACK_SIGNING_SECRET is shorter than %d characters; copy it whole", minSecret)
	case c.Every < 500*time.Millisecond || c.Every > time.Minute:
		return fmt.Errorf("SLIPWAY_SLACK_EVERY is %s; write a length of time from 500ms to 1m", c.Every)
	}
	if u, err := url.Parse(c.API); err != nil || u.Host == "" || !strings.HasSuffix(c.API, "/") {
		return fmt.Errorf("SLIPWAY_SLACK_API_URL %q is not a URL that ends with a slash", c.API)
	}
	return nil
}

// minSecret is the least length of a signing secret; Slack's have 32.
const minSecret = 16

func parseChannels(text string) (Channels, error) {
	out := Channels{}
	for pair := range strings.SplitSeq(text, ",") {
		environment, id, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || environment != "*" && !plan.IsLabel(environment) || !isID(id, "CG") {
			return nil, fmt.Errorf(`%q is not an environment and the ID of its channel; write such as "production=C0123ABCD,*=C0456EFGH"`, pair)
		}
		out[environment] = id
	}
	return out, nil
}

// names are what plans call people and groups, by their IDs in Slack.
type names struct {
	People map[string]string `json:"people"`
	Groups map[string]string `json:"groups"`
}

// parseNames reads the file of people. A Slack user has one name at most.
func parseNames(text []byte) (names, error) {
	var n names
	if len(text) > 256<<10 {
		return n, errors.New("it is larger than 256 KiB")
	}
	if err := yaml.UnmarshalStrict(text, &n); err != nil {
		return n, err
	}
	known := map[string]string{}
	for name, id := range n.People {
		if name == "" || strings.HasPrefix(name, "@") || !isID(id, "UW") {
			return n, fmt.Errorf("people: %q: %q is not a name and the ID of a Slack user, such as ann: U0123ABCD", name, id)
		}
		if other, ok := known[id]; ok {
			return n, fmt.Errorf("people: %s is both %s and %s; one person must not count twice", id, min(name, other), max(name, other))
		}
		known[id] = name
	}
	for name, id := range n.Groups {
		if !strings.HasPrefix(name, "@") || len(name) < 2 || !isID(id, "S") {
			return n, fmt.Errorf(`groups: %q: %q is not a group and the ID of a Slack user group, such as "@team-checkout": S0123ABCD`, name, id)
		}
	}
	return n, nil
}

// isID reports whether a text is an ID of Slack of one of the kinds that its first letter tells.
func isID(id, kinds string) bool {
	return len(id) >= 2 && len(id) <= 32 && strings.ContainsRune(kinds, rune(id[0])) &&
		strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
