// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/access"
)

func TestATokenHasANameAndRightsForServices(t *testing.T) {
	token, hash := access.NewToken()
	require.True(t, strings.HasPrefix(token, "slipway_"))
	require.False(t, access.Looks(token), "it is not taken for one of a CI job")
	text, err := access.FormatTokens(access.Token{Name: "ci", SHA256: hash, Rights: []access.Right{access.Start, access.Read}, Services: []string{"staging/*", "production/checkout"}})
	require.NoError(t, err)
	require.NotContains(t, text, token)
	all, err := access.ParseTokens([]byte(text))
	require.NoError(t, err)
	require.Equal(t, 1, all.Len())
	c, ok := all.Find(token)
	require.True(t, ok)
	require.Equal(t, "ci", c.Name)
	for want, asked := range map[bool][]string{true: {"staging/a", "production/checkout", ""}, false: {"production/other", "staging/a/b", "test/a"}} {
		for _, service := range asked {
			require.Equal(t, want, c.May(access.Start, service), service)
		}
	}
	require.False(t, c.May(access.Steer, "staging/a"))
	for _, wrong := range []string{"", token[:len(token)-1], token + "x", strings.ToLower(token), hash} {
		_, ok := all.Find(wrong)
		require.False(t, ok, wrong)
	}
}

func TestBadTokensAreRefused(t *testing.T) {
	_, hash := access.NewToken()
	good := "tokens: [{name: ci, sha256: " + hash + ", rights: [read], services: ['production/*']}]"
	_, err := access.ParseTokens([]byte(good))
	require.NoError(t, err)
	tests := map[string]struct{ replace, with, want string }{
		"no name":                   {"name: ci, ", "", "the name must be 1 to 63"},
		"a name with a blank":       {"name: ci", "name: c i", "the name must be 1 to 63"},
		"the token itself":          {hash, "slipway_abc", "sha256 must be the hexadecimal hash"},
		"the hash of nothing":       {hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256 must be the hexadecimal hash"},
		"half a hash":               {hash, hash[:32] + "ff", "sha256 must be the hexadecimal hash"},
		"no rights":                 {"rights: [read], ", "", "name its rights"},
		"an unknown right":          {"[read]", "[root]", `there is no right "root"`},
		"no services":               {", services: ['production/*']", "", "name its rights"},
		"everything":                {"production/*", "*", "services are environment/name"},
		"a pattern that is none":    {"production/*", "production/[", "services are environment/name"},
		"a person and a group":      {"tokens: [", "people: [{name: ann, group: '@ops', rights: [read], services: ['a/b']}]\ntokens: [", "people 1 (ann): write either the name of a person or a group"},
		"nobody":                    {"tokens: [", "people: [{rights: [read], services: ['a/b']}]\ntokens: [", "write either the name of a person or a group"},
		"a person like a token":     {"tokens: [", "people: [{name: 'token:ci', rights: [read], services: ['a/b']}]\ntokens: [", "people 1 (token:ci): a name is 1 to 200"},
		"a person like a group":     {"tokens: [", "people: [{name: '@ops', rights: [read], services: ['a/b']}]\ntokens: [", "a name is 1 to 200"},
		"everybody":                 {"tokens: [", "people: [{name: '*', rights: [read], services: ['a/b']}]\ntokens: [", "a name is 1 to 200"},
		"a group without its @":     {"tokens: [", "people: [{group: ops, rights: [read], services: ['a/b']}]\ntokens: [", "a group begins with @"},
		"a person without rights":   {"tokens: [", "people: [{name: ann, services: ['a/b']}]\ntokens: [", "people 1 (ann): name its rights"},
		"a person with a hash":      {"tokens: [", "people: [{name: ann, sha256: x, rights: [read], services: ['a/b']}]\ntokens: [", "unknown field"},
		"a field that nobody knows": {"rights", "right", "unknown field"},
		"the same name twice":       {"tokens: [", "tokens: [{name: ci, sha256: " + hash + ", rights: [read], services: ['a/b']}, ", "two are called ci"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, tt.replace)
			_, err := access.ParseTokens([]byte(strings.Replace(good, tt.replace, tt.with, 1)))
			require.ErrorContains(t, err, tt.want)
		})
	}
	all, err := access.ParseTokens(nil)
	require.NoError(t, err)
	require.Zero(t, all.Len())
	_, ok := all.Find("")
	require.False(t, ok)
}
