// A receiver with Go's net/http: verifies, answers at once, works later, and does nothing twice.
//
//	SECRET=… PORT=9000 FOLDER=received go run receiver.go
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	folder = os.Getenv("FOLDER")
	isID   = regexp.MustCompile(`^\w+$`).MatchString
	wake   = make(chan struct{}, 1)
)

func key() []byte {
	secret := os.Getenv("SECRET")
	if !strings.HasPrefix(secret, "whsec_") {
		return []byte(secret)
	}
	key, err := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
	if err != nil {
		log.Fatal(err)
	}
	return key
}

// Standard Webhooks: this signature covers the id too, so that nobody can make a delivery look like another one.
func isValid(id, at, signatures string, body []byte) bool {
	mac := hmac.New(sha256.New, key())
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	seconds, err := strconv.ParseInt(at, 10, 64)
	isFresh := err == nil && time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Minute
	fits := false
	for _, given := range strings.Split(signatures, " ") {
		fits = hmac.Equal([]byte(given), expected) || fits
	}
	return isID(id) && isFresh && fits
}

// Whole or not at all, and only once: a link to a name that is taken fails.
func keep(id string, body []byte) error {
	temporary, err := os.CreateTemp(folder, "new")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if _, err := temporary.Write(body); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), filepath.Join(folder, "events", id)); !os.IsExist(err) {
		return err
	}
	return nil
}

func work() {
	for range wake {
		events, _ := os.ReadDir(filepath.Join(folder, "events"))
		for _, entry := range events {
			done := filepath.Join(folder, "done", entry.Name())
			if _, err := os.Stat(done); err == nil {
				continue
			}
			var event struct{ Event string }
			body, _ := os.ReadFile(filepath.Join(folder, "events", entry.Name()))
			json.Unmarshal(body, &event)
			fmt.Println("worked", entry.Name(), event.Event) // Open the ticket, ask the other service: here it may take its time.
			os.WriteFile(done, nil, 0o600)
		}
	}
}

func receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	id := r.Header.Get("webhook-id")
	if err != nil || !isValid(id, r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), body) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := keep(id, body); err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	select {
	case wake <- struct{}{}:
	default: // It is awake, and looks once more when it is through.
	}
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	for _, name := range []string{"events", "done"} {
		if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
			log.Fatal(err)
		}
	}
	wake <- struct{}{}
	go work()
	http.HandleFunc("/", receive)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
