// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Config is the environment of `slipway serve`. Temporal's address, namespace and certificates come from
// TEMPORAL_* variables or a profile, as for every Temporal tool.
type Config struct {
	// PublicURL is where senders and people reach this server, such as https://slipway.example; links begin with it.
	PublicURL string `env:"SLIPWAY_PUBLIC_URL,required,notEmpty"`
	// Plans is the directory of plan files: a mounted ConfigMap, or a checkout. Directories below it are read too.
	Plans string `env:"SLIPWAY_PLANS,required,notEmpty"`
	// PlansInterval is how often the directory is read anew, 100ms to 1h.
	PlansInterval time.Duration `env:"SLIPWAY_PLANS_INTERVAL" envDefault:"2s"`
	// Secrets is a directory, such as a mounted Secret: for each sender a file of its name with one secret a line; api-tokens with the tokens of the API and the rights of people; github-token with what reads GitHub's deliveries, and github-app with the private key of the App that reads its own.
	Secrets string `env:"SLIPWAY_SECRETS"`
	// Senders whose webhooks are taken, with a comma between them: github, gitlab, bitbucket, generic, cloudevents, dockerhub, harbor, quay. Each needs its secret.
	Senders []string `env:"SLIPWAY_SENDERS"`
	// MaxEventAge is how old an event may be when it is delivered, 1m to 24h.
	MaxEventAge time.Duration `env:"SLIPWAY_MAX_EVENT_AGE" envDefault:"1h"`
	// JobAudience is the audience that CI jobs must ask their token for, such as the public URL; empty: tokens of CI jobs are not taken.
	JobAudience string `env:"SLIPWAY_JOB_AUDIENCE"`
	// GitHubIssuer signs the tokens of GitHub Actions; GitHub Enterprise has one of its own.
	GitHubIssuer string `env:"SLIPWAY_GITHUB_ISSUER" envDefault:"https://token.actions.githubusercontent.com"`
	// GitLabIssuer signs the tokens of GitLab CI: the address of the GitLab. Empty: they are not taken.
	GitLabIssuer string `env:"SLIPWAY_GITLAB_ISSUER"`
	// OIDCIssuer signs the tokens of people: its address with https, as its tokens name it, such as https://login.example/realms/acme. Empty: none are taken.
	OIDCIssuer string `env:"SLIPWAY_OIDC_ISSUER"`
	// OIDCAudience is what tokens of people must be made for, and for nothing else: the ID of this server's client at the issuer.
	OIDCAudience string `env:"SLIPWAY_OIDC_AUDIENCE"`
	// OIDCNameClaim is the claim by which plans name a person: email, which must be verified; or preferred_username, sub, or another that people cannot choose.
	OIDCNameClaim string `env:"SLIPWAY_OIDC_NAME_CLAIM" envDefault:"email"`
	// OIDCGroupsClaim is the claim with a list of the person's groups; plans name them with an @ before.
	OIDCGroupsClaim string `env:"SLIPWAY_OIDC_GROUPS_CLAIM" envDefault:"groups"`
	// TLSCert is the file with the server's certificate and what it is signed by, TLSKey the one with its key; both are read anew when they change. Empty: no TLS.
	TLSCert string `env:"SLIPWAY_TLS_CERT"`
	// TLSKey is the file with the key of SLIPWAY_TLS_CERT.
	TLSKey string `env:"SLIPWAY_TLS_KEY"`
	// TLSClientCA is the file with the authorities whose client certificates prove who calls the API; empty: none are asked for. It needs SLIPWAY_TLS_CERT.
	TLSClientCA string `env:"SLIPWAY_TLS_CLIENT_CA"`
	// GitHubAPI is where GitHub's API is.
	GitHubAPI string `env:"SLIPWAY_GITHUB_API" envDefault:"https://api.github.com"`
	// GitHubHooks are the webhooks whose missed deliveries are fetched, as owner/repository/ID, with a comma between them.
	GitHubHooks []string `env:"SLIPWAY_GITHUB_HOOKS"`
	// GitHubApp is the ID of a GitHub App whose missed deliveries are fetched; 0: of none.
	GitHubApp int64 `env:"SLIPWAY_GITHUB_APP"`
	// MissedInterval is how often missed deliveries are looked for, 1s to 24h; also after the start.
	MissedInterval time.Duration `env:"SLIPWAY_MISSED_INTERVAL" envDefault:"5m"`
	// ApprovalKey is the private key by which what callers of the API decide is signed; without it the API takes no approvals.
	ApprovalKey statement.Private `env:"SLIPWAY_APPROVAL_KEY"`
	// Listen is the address that is listened on.
	Listen string `env:"SLIPWAY_LISTEN" envDefault:":8080"`
	// LogLevel is debug, info, warn or error; JSON on standard error.
	LogLevel slog.Level `env:"SLIPWAY_LOG_LEVEL" envDefault:"info"`
}

// The files of the directory of secrets that are not named after a sender.
const (
	fileAPI    = "api-tokens"
	fileMissed = "github-token"
	fileApp    = "github-app"
)

// Configure reads an environment.
func Configure(environment map[string]string) (Config, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: environment,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[statement.Private](): func(text string) (any, error) { return statement.ParsePrivate(text) },
		},
	})
	if err != nil {
		return c, fmt.Errorf("read environment: %w", err)
	}
	for _, u := range []struct{ name, value string }{
		{"SLIPWAY_PUBLIC_URL", c.PublicURL}, {"SLIPWAY_GITHUB_API", c.GitHubAPI}, {"SLIPWAY_GITHUB_ISSUER", c.GitHubIssuer}, {"SLIPWAY_GITLAB_ISSUER", c.GitLabIssuer},
	} {
		if parsed, err := url.Parse(u.value); u.value != "" && (err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https") {
			return c, fmt.Errorf("read environment: %s %q is not a URL; write one such as https://slipway.example", u.name, u.value)
		}
	}
	for _, d := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"SLIPWAY_PLANS_INTERVAL", c.PlansInterval, 100 * time.Millisecond, time.Hour},
		{"SLIPWAY_MAX_EVENT_AGE", c.MaxEventAge, time.Minute, 24 * time.Hour},
		{"SLIPWAY_MISSED_INTERVAL", c.MissedInterval, time.Second, 24 * time.Hour},
	} {
		if d.value < d.low || d.value > d.high {
			return c, fmt.Errorf("read environment: %s is %s; write a length of time from %s to %s", d.name, d.value, d.low, d.high)
		}
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	return c, errors.Join(c.secretive(), c.personal())
}

// personal refuses what could not tell who somebody is.
func (c Config) personal() error {
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("read environment: SLIPWAY_TLS_CERT and SLIPWAY_TLS_KEY are of no use without each other")
	case c.TLSClientCA != "" && c.TLSCert == "":
		return errors.New("read environment: SLIPWAY_TLS_CLIENT_CA needs SLIPWAY_TLS_CERT: only a server with TLS is shown certificates")
	case c.OIDCAudience != "" && c.OIDCIssuer == "":
		return errors.New("read environment: SLIPWAY_OIDC_AUDIENCE is of no use without SLIPWAY_OIDC_ISSUER")
	case c.OIDCIssuer != "" && slices.Contains([]string{access.IssuerGitHub, c.GitHubIssuer, c.GitLabIssuer}, c.OIDCIssuer):
		return errors.New("read environment: SLIPWAY_OIDC_ISSUER is the issuer of CI jobs too, whose tokens would be taken for those of people: name another one")
	}
	return nil
}

// secretive refuses what would need secrets where there are none.
func (c Config) secretive() error {
	fetches := len(c.GitHubHooks) > 0 || c.GitHubApp != 0
	if c.Secrets == "" && (len(c.Senders) > 0 || fetches) {
		return errors.New("read environment: SLIPWAY_SECRETS is needed for SLIPWAY_SENDERS, SLIPWAY_GITHUB_HOOKS and SLIPWAY_GITHUB_APP: name the directory with their secrets")
	}
	if fetches && !slices.Contains(c.Senders, plan.SenderGitHub) {
		return errors.New("read environment: SLIPWAY_GITHUB_HOOKS and SLIPWAY_GITHUB_APP are of no use without github among SLIPWAY_SENDERS")
	}
	if c.GitHubApp < 0 {
		return errors.New("read environment: SLIPWAY_GITHUB_APP is the number that the App's settings show as its ID")
	}
	return nil
}

// secret reads a file of the directory of secrets.
func (c Config) secret(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(c.Secrets, name))
	if err != nil {
		return "", fmt.Errorf("read secret of %s: %w", name, err)
	}
	return string(text), nil
}

// senders are those that are taken, each with its secrets. A sender without one is refused.
func (c Config) senders() (map[string]sender.Sender, error) {
	kinds := map[string]func(sender.Secrets) sender.Sender{
		plan.SenderGitHub:      func(s sender.Secrets) sender.Sender { return sender.GitHub{Secrets: s, API: c.GitHubAPI} },
		plan.SenderGitLab:      func(s sender.Secrets) sender.Sender { return sender.GitLab{Secrets: s} },
		plan.SenderBitbucket:   func(s sender.Secrets) sender.Sender { return sender.Bitbucket{Secrets: s} },
		plan.SenderGeneric:     func(s sender.Secrets) sender.Sender { return sender.Generic{Secrets: s} },
		plan.SenderCloudEvents: func(s sender.Secrets) sender.Sender { return sender.CloudEvents{Secrets: s} },
		plan.SenderDockerHub:   func(s sender.Secrets) sender.Sender { return sender.DockerHub{Secrets: s} },
		plan.SenderHarbor:      func(s sender.Secrets) sender.Sender { return sender.Harbor{Secrets: s} },
		plan.SenderQuay:        func(s sender.Secrets) sender.Sender { return sender.Quay{Secrets: s} },
	}
	out := map[string]sender.Sender{}
	for _, name := range c.Senders {
		with, ok := kinds[name]
		if !ok {
			return nil, fmt.Errorf("read environment: SLIPWAY_SENDERS: there is no sender %q", name)
		}
		text, err := c.secret(name)
		if err != nil {
			return nil, err
		}
		secrets, err := sender.ParseSecrets(text)
		if err == nil && name == plan.SenderGeneric {
			err = secrets.CheckStandard()
		}
		if err == nil && name == plan.SenderGitLab {
			err = secrets.CheckSigning()
		}
		if err != nil {
			return nil, fmt.Errorf("read secret of %s: %w", name, err)
		}
		out[name] = with(secrets)
	}
	return out, nil
}

// tokens are those of the API; without a file there are none.
func (c Config) tokens() (*access.Tokens, error) {
	text, err := c.secret(fileAPI)
	if errors.Is(err, fs.ErrNotExist) || c.Secrets == "" {
		return access.ParseTokens(nil)
	}
	if err != nil {
		return nil, err
	}
	return access.ParseTokens([]byte(text))
}

// jobs are the CI jobs whose tokens are taken, or nil.
func (c Config) jobs(now func() time.Time) (*access.Jobs, error) {
	if c.JobAudience == "" {
		return nil, nil
	}
	issuers := map[string]string{}
	for name, issuer := range map[string]string{plan.SenderGitHubToken: c.GitHubIssuer, plan.SenderGitLabToken: c.GitLabIssuer} {
		if issuer != "" {
			issuers[name] = issuer
		}
	}
	return access.NewJobs(access.JobsConfig{Audience: c.JobAudience, Issuers: issuers, Now: now})
}

// people are those whose tokens are taken, or nil.
func (c Config) people(now func() time.Time) (*access.People, error) {
	if c.OIDCIssuer == "" {
		return nil, nil
	}
	people, err := access.NewPeople(access.PeopleConfig{
		Issuer: c.OIDCIssuer, Audience: c.OIDCAudience, Name: c.OIDCNameClaim, Groups: c.OIDCGroupsClaim, Now: now,
	})
	if err != nil {
		return nil, fmt.Errorf("read environment: SLIPWAY_OIDC_*: %w", err)
	}
	return people, nil
}

// entitled refuses rights that nobody could have, and ways in by which nobody could do anything.
func (c Config) entitled(t *access.Tokens) error {
	recognises := c.OIDCIssuer != "" || c.TLSClientCA != ""
	switch {
	case t.People() > 0 && !recognises:
		return fmt.Errorf("rights are written for people in the file %s, and nobody can prove to be one: set SLIPWAY_OIDC_ISSUER or SLIPWAY_TLS_CLIENT_CA", fileAPI)
	case t.People() == 0 && recognises:
		return fmt.Errorf("people may prove who they are, and none may do anything: write their rights below people in the file %s of SLIPWAY_SECRETS", fileAPI)
	case t.Capital() != "" && (c.OIDCIssuer == "" || c.OIDCNameClaim != "sub"):
		return fmt.Errorf("the file %s has rights of %s: write names in lower case, as they are read", fileAPI, t.Capital())
	}
	return nil
}
