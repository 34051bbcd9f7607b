// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// example is the file that the page shows.
var example = regexp.MustCompile("(?ms)^```yaml\n(receivers:\n.*?)^```$")

func TestTheExampleOfThePageHasAReceiverOfEachKind(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	require.NoError(t, err)
	found := example.FindSubmatch(page)
	require.NotEmpty(t, found)
	receivers, err := notify.Load(strings.NewReader(string(found[1])), time.Now)
	require.NoError(t, err)
	require.Len(t, receivers, 9)
	for name := range receivers {
		_, err := receivers.Find(name)
		require.NoError(t, err)
	}
}

func TestAFileThatCannotBeUsedIsRefusedWithoutQuotingIt(t *testing.T) {
	const secret = "canary-8c2f51d0"
	for name, tt := range map[string]struct{ text, want string }{
		"a field nobody knows":     {"receivers:\n  chat:\n    discord: {url: 'https://d.example/" + secret + "', password: " + secret + "}", `line 3: unknown field "password"`},
		"a service nobody knows":   {"receivers:\n  chat:\n    pigeon: {token: " + secret + "}", `line 3: unknown field "pigeon"`},
		"one name twice":           {"receivers:\n  chat:\n    discord: {url: 'https://d.example/" + secret + "'}\n  chat:\n    discord: {url: 'https://d.example/b'}", "already defined"},
		"a list":                   {"receivers: [" + secret + "]", "line 1: cannot be used as it is written"},
		"no YAML":                  {"receivers: {" + secret, "read receivers: line 1"},
		"two services":             {"receivers:\n  chat:\n    discord: {url: 'https://d.example/a'}\n    teams: {url: 'https://t.example/a'}", "receiver chat: has 2 services; name exactly one of"},
		"no service":               {"receivers:\n  chat: {}", "receiver chat: has 0 services"},
		"a name that plans cannot": {"receivers:\n  Team Chat:\n    discord: {url: 'https://d.example/a'}", "receiver Team Chat: the name must be a DNS label"},
		"a service's own refusal":  {"receivers:\n  hook:\n    webhook: {url: 'https://h.example', secret: " + secret + "}\n  ok:\n    discord: {url: 'https://d.example/a'}", "receiver hook: secret: write whsec_"},
		"an empty secret":          {"receivers:\n  hub:\n    github: {token: ''}", "a secret in it is empty"},
		"too large":                {"# " + strings.Repeat("x", notify.MaxSize), "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := notify.Load(strings.NewReader(tt.text), time.Now)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestAReceiverThatIsNotThereIsNamedWithThoseThatAre(t *testing.T) {
	receivers, err := notify.Load(strings.NewReader("receivers:\n  chat:\n    discord: {url: 'https://d.example/a'}\n  boss:\n    discord: {url: 'https://d.example/b'}"), time.Now)
	require.NoError(t, err)
	_, err = receivers.Find("chta")
	require.EqualError(t, err, `there is no receiver "chta"; the worker knows boss, chat`)
	require.Equal(t, fault.NotFound, fault.Of(err))
	none, err := notify.Load(strings.NewReader(""), time.Now)
	require.NoError(t, err)
	_, err = none.Find("chat")
	require.ErrorContains(t, err, "the worker was given none; name their file by SLIPWAY_RECEIVERS")
	var nothing notify.Receivers
	_, err = nothing.Find("chat")
	require.ErrorContains(t, err, "the worker was given none")
}

// discord is a file with one receiver.
func discord(address string) string {
	return "receivers:\n  chat:\n    discord: {url: '" + address + "'}\n"
}

func TestAReceiverThatAskedToBeLeftAloneIsNotAskedBeforeItsTime(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	now := time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	receivers, err := notify.Load(strings.NewReader(discord(server.URL)), func() time.Time { return now })
	require.NoError(t, err)
	chat, err := receivers.Find("chat")
	require.NoError(t, err)
	for range 3 {
		err := chat.Notify(t.Context(), conformance.Message(plan.Undone))
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, time.Minute, f.After)
	}
	require.EqualValues(t, 1, asked.Load())
	now = now.Add(time.Minute)
	require.NoError(t, chat.Notify(t.Context(), conformance.Message(plan.Undone)))
	require.EqualValues(t, 2, asked.Load())
}

func TestASlowReceiverTakesNoMoreThanItsShare(t *testing.T) {
	const share = 10
	arrived, release := make(chan struct{}, 2*share), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	receivers, err := notify.Load(strings.NewReader(discord(server.URL)), time.Now)
	require.NoError(t, err)
	chat, err := receivers.Find("chat")
	require.NoError(t, err)
	ended := make(chan error, share)
	for range share {
		go func() { ended <- chat.Notify(context.Background(), conformance.Message(plan.Undone)) }()
	}
	for range share {
		<-arrived
	}
	err = chat.Notify(t.Context(), conformance.Message(plan.Undone))
	require.ErrorContains(t, err, "receiver chat is being told 10 other things")
	require.False(t, fault.Final(err))
	close(release)
	for range share {
		require.NoError(t, <-ended)
	}
	require.NoError(t, chat.Notify(t.Context(), conformance.Message(plan.Undone)))
}

func TestASecretIsPrintedByNothing(t *testing.T) {
	const text = "canary-8c2f51d0"
	type holder struct {
		Exported outbound.Secret
		hidden   outbound.Secret
	}
	h := holder{outbound.NewSecret(text), outbound.NewSecret(text)}
	written, err := json.Marshal(h)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("said", "secret", h.Exported, "holder", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("said", "secret", h.Exported, "holder", h)
	for _, said := range []string{string(written), log.String(), fmt.Sprintf("%v %+v %#v %s %q %x", h, h, h, h.Exported, h.Exported, h.Exported)} {
		require.NotContains(t, said, text)
		require.NotContains(t, said, fmt.Sprintf("%x", text))
	}
	require.Equal(t, text, h.hidden.Reveal())
}
