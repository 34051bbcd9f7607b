// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	botToken = "xoxb-1-canary"
	private  = "slipway_sk_nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
)

// signingSecret is as long as those of Slack.
const signingSecret = "8f742231b10e8888abcd99yyyzzz85a5"

func environment(more map[string]string) map[string]string {
	all := map[string]string{
		"SLIPWAY_SLACK_BOT_TOKEN": botToken, "SLIPWAY_SLACK_SIGNING_SECRET": signingSecret, "SLIPWAY_SLACK_CHANNELS": "production=C0PROD,*=C0REST",
		"SLIPWAY_APPROVAL_KEY": private,
	}
	maps.Copy(all, more)
	return all
}

func TestConfigurationIsReadAndHidesItsSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people.yaml")
	require.NoError(t, os.WriteFile(file, []byte("people: {ann: U0ANN}\ngroups: {\"@team-checkout\": S0TEAM}\n"), 0o600))
	c, err := Configure(environment(map[string]string{"SLIPWAY_SLACK_PEOPLE": file}))
	require.NoError(t, err)
	require.Equal(t, "C0PROD", c.Channels.of("production"))
	require.Equal(t, "C0REST", c.Channels.of("staging"))
	require.Empty(t, Channels{"production": "C0PROD"}.of("staging"))
	require.Equal(t, 2*time.Second, c.Every)
	require.Equal(t, "U0ANN", c.names.People["ann"])
	shown := fmt.Sprintf("%v %+v %#v", c, c, c)
	for _, secret := range []string{botToken, signingSecret, private} {
		require.NotContains(t, shown, secret)
	}
}

func TestConfigurationThatCannotWorkIsRefusedWithoutShowingSecrets(t *testing.T) {
	for name, tt := range map[string]struct {
		set  map[string]string
		want string
	}{
		"no bot token":                  {map[string]string{"SLIPWAY_SLACK_BOT_TOKEN": ""}, "SLIPWAY_SLACK_BOT_TOKEN"},
		"a user token":                  {map[string]string{"SLIPWAY_SLACK_BOT_TOKEN": "xoxp-canary"}, "does not begin with xoxb-"},
		"nothing that anybody believes": {map[string]string{"SLIPWAY_SLACK_SIGNING_SECRET": ""}, "without either nobody could be believed"},
		"a secret that is cut":          {map[string]string{"SLIPWAY_SLACK_SIGNING_SECRET": "canary"}, "is shorter than 16 characters"},
		"a bot token as app token":      {map[string]string{"SLIPWAY_SLACK_APP_TOKEN": "xoxb-canary"}, "does not begin with xapp-"},
		"no channel":                    {map[string]string{"SLIPWAY_SLACK_CHANNELS": ""}, "SLIPWAY_SLACK_CHANNELS"},
		"a channel by its name":         {map[string]string{"SLIPWAY_SLACK_CHANNELS": "production=#releases"}, "is not an environment and the ID of its channel"},
		"a public key":                  {map[string]string{"SLIPWAY_APPROVAL_KEY": "slipway_pk_canary"}, "does not begin with slipway_sk_"},
		"a key that is cut":             {map[string]string{"SLIPWAY_APPROVAL_KEY": "slipway_sk_canary"}, "it is not 32 bytes in base64"},
		"looking without a pause":       {map[string]string{"SLIPWAY_SLACK_EVERY": "1ms"}, "write a length of time from 500ms to 1m"},
		"an API without a slash":        {map[string]string{"SLIPWAY_SLACK_API_URL": "https://slack.com/api"}, "is not a URL that ends with a slash"},
		"people that are not there":     {map[string]string{"SLIPWAY_SLACK_PEOPLE": "/nowhere"}, "read SLIPWAY_SLACK_PEOPLE: open /nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Configure(environment(tt.set))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAFileOfPeopleThatIsWrongIsRefused(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a person by their name":    {"people: {ann: ann}", `people: "ann": "ann" is not a name and the ID of a Slack user`},
		"two names of one person":   {"people: {ann: U0ANN, anna: U0ANN}", "U0ANN is both ann and anna; one person must not count twice"},
		"a group among the people":  {"people: {\"@ops\": U0ANN}", "is not a name"},
		"a group without its sign":  {"groups: {ops: S0OPS}", `groups: "ops"`},
		"a user as a group":         {"groups: {\"@ops\": U0ANN}", "is not a group and the ID of a Slack user group"},
		"a field that is not known": {"persons: {}", "unknown field"},
		"a name twice":              {"people: {ann: U0ANN, ann: U0BOB}", "already set"},
		"no YAML":                   {"{", "yaml"},
		"too much of it":            {"# " + strings.Repeat("x", 256<<10), "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseNames([]byte(tt.text))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAnswersGoToSlackAlone(t *testing.T) {
	a := &App{config: Config{API: "https://slack.com/api/"}}
	for address, fine := range map[string]bool{
		"https://hooks.slack.com/commands/T1/2/3": true, "https://hooks.slack-gov.com/x": true, "https://slack.com/x": true,
		"http://hooks.slack.com/x": false, "https://hooks.slack.com.evil.example/x": false, "http://169.254.169.254/latest": false,
		"https://evil.example/hooks.slack.com": false, "https://hooks.slack.com@evil.example/": false, "": false, "%": false,
	} {
		require.Equal(t, fine, a.ours(address) == nil, address)
	}
}

func TestThePageNamesEveryVariable(t *testing.T) {
	page, err := os.ReadFile("../../../docs/integrations/slack.md")
	require.NoError(t, err)
	for field := range reflect.TypeFor[Config]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" {
			require.Contains(t, string(page), "| `"+name+"` |")
		}
	}
}

func TestTheDeploymentOfTheRepositoryIsWhatTheProgramReads(t *testing.T) {
	people, err := os.ReadFile("../../../deploy/slack/people.yaml")
	require.NoError(t, err)
	n, err := parseNames(people)
	require.NoError(t, err)
	require.NotEmpty(t, n.People)
	text, err := os.ReadFile("../../../deploy/slack/kustomization.yaml")
	require.NoError(t, err)
	var k struct {
		ConfigMapGenerator []struct{ Literals []string }
	}
	require.NoError(t, yaml.Unmarshal(text, &k))
	set := map[string]string{}
	for _, literal := range k.ConfigMapGenerator[0].Literals {
		name, value, _ := strings.Cut(literal, "=")
		set[name] = value
	}
	delete(set, "SLIPWAY_SLACK_PEOPLE") // it is a file of the pod
	c, err := Configure(environment(set))
	require.NoError(t, err)
	require.Equal(t, "C0123456789", c.Channels.of("production"))
}

// TestTheManifestAsksForWhatTheAppUses keeps the scopes as few as they can be.
func TestTheManifestAsksForWhatTheAppUses(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/slack/manifest.yaml")
	require.NoError(t, err)
	var m struct {
		OauthConfig struct{ Scopes struct{ Bot []string } } `json:"oauth_config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &m))
	// Each method of Slack that the tests of this package see called, and the scope it needs.
	needs := map[string][]string{
		"conversations.history": {"channels:history", "groups:history"}, "chat.postMessage": {"chat:write"}, "usergroups.users.list": {"usergroups:read"},
		"users.info": {"users:read"},
	}
	want := []string{"commands"}
	for _, scopes := range needs {
		want = append(want, scopes...)
	}
	require.ElementsMatch(t, want, m.OauthConfig.Scopes.Bot)
}
