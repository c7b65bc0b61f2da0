package main

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"testing"
)

func TestATakenPortIsAClearErrorThatSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	var out bytes.Buffer
	err = run([]string{"--port", port}, &out)
	if err == nil || !strings.Contains(err.Error(), "port "+port+" is taken") || !strings.Contains(err.Error(), "--port") {
		t.Errorf("error is %v", err)
	}
}
