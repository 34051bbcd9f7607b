// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// Scheme is how the address of a bucket begins.
const Scheme = "s3://"

// Parse reads an address such as s3://bucket/prefix; the prefix may be empty, and ends in a slash else.
func Parse(address string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(address, Scheme)
	bucket, prefix, _ = strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.ContainsAny(rest, "?#@: ") || strings.Contains(prefix, "//") {
		return "", "", fmt.Errorf("%q is not the address of a bucket; write one such as s3://bucket/prefix", address)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, nil
}

// Bucket is where records are kept.
type Bucket struct {
	calls
	address      string // of the store
	name, prefix string
}

// Open makes a client of the bucket, and asks nothing of it yet. Where it is and who asks is read from the AWS_*
// variables of the environment.
func Open(address string) (*Bucket, error) {
	name, prefix, err := Parse(address)
	if err != nil {
		return nil, err
	}
	endpoint, region, err := place()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	found, err := keys()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	b := &Bucket{address: endpoint.String(), name: name, prefix: prefix}
	// Whoever asks tries again himself.
	b.calls, err = dial(endpoint.Host, name, &minio.Options{
		Creds: found, Secure: endpoint.Scheme == "https", Region: region, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", address, err)
	}
	return b, nil
}

// place is the address of the store, and the region of the bucket.
func place() (*url.URL, string, error) {
	region := cmp.Or(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
	text := cmp.Or(os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"))
	if text == "" {
		if region == "" {
			return nil, "", errors.New("the region of the bucket is not known; set AWS_REGION, or AWS_ENDPOINT_URL_S3 for a store that is not Amazon's")
		}
		return &url.URL{Scheme: "https", Host: "s3.amazonaws.com"}, region, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return nil, "", fmt.Errorf("the endpoint %q is not the URL of a store; write one such as https://minio.example:9000", text)
	}
	return u, cmp.Or(region, "us-east-1"), nil
}

// String is the address of the bucket.
func (b *Bucket) String() string { return strings.TrimSuffix(Scheme+b.name+"/"+b.prefix, "/") }

// Put writes an object that is not there yet. Its name must be given once only: that it stands already means that an
// earlier attempt has arrived.
func (b *Bucket) Put(ctx context.Context, key string, body []byte) error {
	err := b.put(ctx, b.prefix+key, body, true)
	switch minio.ToErrorResponse(err).Code {
	case minio.PreconditionFailed:
		return nil
	case minio.NotImplemented: // by an older store, which must trust in the names
		err = b.put(ctx, b.prefix+key, body, false)
	}
	return b.explain(err)
}

// Releases that have a record, by name.
func (b *Bucket) Releases(ctx context.Context) ([]string, error) {
	var out []string
	for key, err := range b.list(ctx, b.prefix, false) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", b, b.explain(err))
		}
		if name, ok := strings.CutSuffix(strings.TrimPrefix(key, b.prefix), "/"); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// readers is how many objects are read at once.
const readers = 8

// Read is the record of a release, from all who have written it.
func (b *Bucket) Read(ctx context.Context, release string) ([]byte, error) {
	var names []string
	for key, err := range b.list(ctx, b.prefix+release+"/", true) {
		if err != nil {
			return nil, fmt.Errorf("list %s/%s: %w", b, release, b.explain(err))
		}
		if strings.HasSuffix(key, suffix) {
			names = append(names, key)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no record of %s in %s", release, b)
	}
	slices.Sort(names)
	parts := make([][]byte, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, name := range names {
		group.Go(func() (err error) {
			if parts[i], err = b.get(ctx, name); err != nil {
				return fmt.Errorf("read %s%s/%s: %w", Scheme, b.name, name, b.explain(err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return bytes.Join(parts, nil), nil
}
