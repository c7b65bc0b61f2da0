package config

import "testing"

func TestWhatIsWrongIsSaidWithLineAndKey(t *testing.T) {
	// Each src is put before keysOnly, so its first line is line 1.
	for _, c := range []struct{ name, src, want string }{
		{"an unknown key at the top", "data_dir: x\nspeed: 3\n",
			`2: speed: unknown key, expected one of data_dir, sfu, bridge, keys, trunks, extensions, numbers, fraud, links, ledger`},
		{"an unknown key below", "sfu:\n  tls: {cert: a, key: b, ca: c}\n", `2: sfu.tls.ca: unknown key, expected one of cert, key`},
		{"a key of another section", "bridge:\n  public_url: x\n",
			`2: bridge.public_url: unknown key, expected one of listen, sfu_url, leg_listen, sip, rtp`},
		{"a key twice", "data_dir: a\nsfu: {}\ndata_dir: b\n", `3: data_dir: expected the key once, it stands in line 1 too`},
		{"a list for text", "data_dir: [a]\n", `1: data_dir: expected text, got a list`},
		{"a number for text", "data_dir: 5\n", `1: data_dir: expected text, got a number: put it in quotes`},
		{"an unquoted phone number", "trunks:\n- id: a\n  host: h\n  caller_id: +4930123456\n",
			`4: trunks[0].caller_id: expected text, got a number: put it in quotes`},
		{"nothing for text", "data_dir:\n", `1: data_dir: expected text, got nothing`},
		{"text for keys", "sfu: hello\n", `1: sfu: expected keys and values (listen, public_url, allowed_origins, tls, trusted_proxies, media, turn, bridge_url, leg_listen, empty_room_grace, add_phone, embed_origins, api_keys), got text`},
		{"text for a list", "sfu:\n  trusted_proxies: 10.0.0.0/8\n", `2: sfu.trusted_proxies: expected a list, got text`},
		{"text for a number", "sfu:\n  media: {udp_port: \"7882\"}\n", `2: sfu.media.udp_port: expected a whole number, got "7882"`},
		{"a fraction for a number", "sfu:\n  media:\n    udp_port: 78.5\n", `3: sfu.media.udp_port: expected a whole number, got "78.5"`},
		{"text for a switch", "trunks:\n- id: a\n  host: h\n  enabled: on\n", `4: trunks[0].enabled: expected true or false, got "on"`},
		{"a duration without a unit", "sfu: {empty_room_grace: 15}\n",
			`1: sfu.empty_room_grace: expected a duration such as 15s, 2m or 1h30m, got "15"`},
		{"a duration of nothing", "sfu: {empty_room_grace: 0s}\n", `1: sfu.empty_room_grace: expected from 1ms to 1h0m0s, got 0s`},
		{"no folder for data", "data_dir: \"\"\n", `1: data_dir: expected a folder, got ""`},
		{"listening on a name", "sfu:\n  listen: example.org:80\n", `2: sfu.listen: expected an address such as 127.0.0.1:8080, got "example.org:80"`},
		{"listening without a port", "bridge:\n  listen: 127.0.0.1\n", `2: bridge.listen: expected an address such as 127.0.0.1:8080, got "127.0.0.1"`},
		{"a public URL with a path", "sfu:\n  public_url: https://example.org/call\n",
			`2: sfu.public_url: expected http:// or https:// with a host and no path, got "https://example.org/call"`},
		{"an embedder that would begin another directive", "sfu:\n  embed_origins: [\"https://crm;script-src\"]\n",
			`2: sfu.embed_origins[0]: expected the address of a site such as https://crm.example.com, got "https://crm;script-src"`},
		{"an embedder that is no origin", "sfu:\n  embed_origins: [\"*\"]\n",
			`2: sfu.embed_origins[0]: expected http:// or https:// with a host and no path, got "*"`},
		{"an origin that is no URL", "sfu:\n  allowed_origins:\n  - \"*\"\n",
			`3: sfu.allowed_origins[0]: expected http:// or https:// with a host and no path, got "*"`},
		{"another scheme for the bridge", "sfu:\n  bridge_url: ws://127.0.0.1:1\n",
			`2: sfu.bridge_url: expected http:// or https:// with a host and no path, got "ws://127.0.0.1:1"`},
		{"a certificate without its key", "sfu:\n  tls: {cert: a.pem}\n", `2: sfu.tls: expected both cert and key, or neither`},
		{"a proxy that is no network", "sfu:\n  trusted_proxies: [10.0.0.1]\n",
			`2: sfu.trusted_proxies[0]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "10.0.0.1"`},
		{"a network with host bits", "sfu:\n  trusted_proxies: [10.0.0.0/8, 10.0.0.1/8]\n",
			`2: sfu.trusted_proxies[1]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "10.0.0.1/8"`},
		{"a port too high", "sfu:\n  media: {tcp_port: 65536}\n", `2: sfu.media.tcp_port: expected a port from 1 to 65535, or 0 for any free one, got 65536`},
		{"a public address that is a name", "sfu:\n  media: {public_ip: example.org}\n", `2: sfu.media.public_ip: expected an IP address, got "example.org"`},
		{"a TURN server without its secret", "sfu:\n  turn: {url: \"turn:h:1\"}\n", `2: sfu.turn: expected both url and secret, or neither`},
		{"a TURN server that is none", "sfu:\n  turn: {url: \"stun:h:1\", secret: s}\n", `2: sfu.turn.url: expected turn:host:port or turns:host:port, got "stun:h:1"`},
		{"a leg address nobody can send to", "bridge:\n  leg_listen: 0.0.0.0:0\n",
			`2: bridge.leg_listen: expected an IP address the other process can reach and a port, such as 127.0.0.1:0, got "0.0.0.0:0"`},
		{"no SIP at all", "bridge:\n  sip: {udp: \"\"}\n", `2: bridge.sip: expected an address in at least one of udp, tcp and tls`},
		{"RTP ports backwards", "bridge:\n  rtp: {ports: 20000-10000}\n",
			`2: bridge.rtp.ports: expected first-last such as 10000-19999, from 1024 to 65535, got "20000-10000"`},
		{"a single RTP port", "bridge:\n  rtp: {ports: \"10000\"}\n",
			`2: bridge.rtp.ports: expected first-last such as 10000-19999, from 1024 to 65535, got "10000"`},
		{"a trunk without a host", "trunks:\n- id: a\n", `2: trunks[0].host: expected a host, host:port or a domain, got ""`},
		{"a trunk without an id", "trunks:\n- host: h\n", `2: trunks[0].id: expected 1 to 64 letters, digits, dots, - and _, got ""`},
		{"a trunk id twice", "trunks:\n- {id: a, host: h}\n- {id: a, host: h}\n", `3: trunks[1].id: expected an id of its own, a is that of trunks[0]`},
		{"a host that is a URL", "trunks:\n- {id: a, host: \"sip:h\"}\n", `2: trunks[0].host: expected a host, host:port or a domain, got "sip:h"`},
		{"an unknown transport", "trunks:\n- id: a\n  host: h\n  transport: sctp\n", `4: trunks[0].transport: expected udp, tcp or tls, got "sctp"`},
		{"an unknown dial format", "trunks:\n- {id: a, host: h, dial_format: nice}\n", `2: trunks[0].dial_format: expected e164, plus or national, got "nice"`},
		{"an unknown SRTP mode", "trunks:\n- {id: a, host: h, srtp: true}\n", `2: trunks[0].srtp: expected text, got true or false: put it in quotes`},
		{"an unknown codec", "trunks:\n- {id: a, host: h, codecs: [PCMA, opus]}\n", `2: trunks[0].codecs[1]: expected PCMA, PCMU or G722, got "opus"`},
		{"a codec twice", "trunks:\n- {id: a, host: h, codecs: [PCMA, PCMA]}\n", `2: trunks[0].codecs[1]: expected each codec once, got PCMA again`},
		{"no codec", "trunks:\n- {id: a, host: h, codecs: []}\n", `2: trunks[0].codecs: expected at least one of PCMA, PCMU, G722`},
		{"no prefix", "trunks:\n- {id: a, host: h, prefixes: []}\n", `2: trunks[0].prefixes: expected at least one prefix`},
		{"a prefix with letters", "trunks:\n- {id: a, host: h, prefixes: [\"+\", \"+49x\"]}\n",
			`2: trunks[0].prefixes[1]: expected + and digits, digits, or "", got "+49x"`},
		{"a prefix written with 00", "fraud:\n  allow: [\"+49\", \"+49 30\"]\n",
			`2: fraud.allow[1]: expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got "+49 30"`},
		{"an empty prefix in the allow list", "fraud:\n  allow: [\"\"]\n",
			`2: fraud.allow[0]: expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got ""`},
		{"no calls at all", "trunks:\n- {id: a, host: h, max_calls: 0}\n", `2: trunks[0].max_calls: expected at least 1, got 0`},
		{"a password without a user", "trunks:\n- {id: a, host: h, password: p}\n", `2: trunks[0].username: expected a user name for the password`},
		{"a display name with a quote", "trunks:\n- {id: a, host: h, from: {display: 'a\"b'}}\n",
			`2: trunks[0].from.display: expected text without quotes, backslashes and line breaks, got "a\"b"`},
		{"a header smuggled into the caller id", "trunks:\n- {id: a, host: h, caller_id: \"1\\r\\nX: y\"}\n",
			`2: trunks[0].caller_id: expected a number or a SIP user name, got "1\r\nX: y"`},
		{"a From host with a space", "trunks:\n- {id: a, host: h, from: {host: \"a b\"}}\n", `2: trunks[0].from.host: expected a host or host:port, got "a b"`},
		{"a source that is no network", "trunks:\n- {id: a, host: h, allowed_sources: [h]}\n",
			`2: trunks[0].allowed_sources[0]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "h"`},
		{"an unknown time zone", "fraud: {time_zone: Mars/Base}\n", `1: fraud.time_zone: expected a time zone such as UTC or Europe/Berlin, got "Mars/Base"`},
		{"a country nobody has", "fraud: {block: [UK]}\n",
			`1: fraud.block[0]: expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got "UK"`},
		{"a country in small letters", "fraud: {allow: [de]}\n",
			`1: fraud.allow[0]: expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got "de"`},
		{"a type of numbers nobody knows", "fraud: {block_types: [premium]}\n", `1: fraud.block_types[0]: expected premium_rate, shared_cost, personal, ` +
			`uan, satellite, pager, voicemail, toll_free, voip, mobile, fixed_line, fixed_line_or_mobile or unknown, got "premium"`},
		{"a cap of 0, which is none to some and no cap to others", "fraud: {per_day: {total: 0}}\n",
			`1: fraud.per_day.total: expected a whole number from 1 up, or off for no cap, got "0"`},
		{"a cap below 0", "fraud: {concurrent: {ip: -1}}\n", `1: fraud.concurrent.ip: expected a whole number from 1 up, or off for no cap, got "-1"`},
		{"a cap in quotes", "fraud: {per_minute: {ip: \"3\"}}\n", `1: fraud.per_minute.ip: expected a whole number from 1 up, or off for no cap, got "3"`},
		{"a fraction for a cap", "fraud: {per_day: {minutes: 1.5}}\n", `1: fraud.per_day.minutes: expected a whole number from 1 up, or off for no cap, got "1.5"`},
		{"no money at all", "fraud: {per_day: {spend: 0}}\n", `1: fraud.per_day.spend: expected an amount above 0, or off for no cap, got "0"`},
		{"money that is no number", "fraud: {per_day: {spend: .nan}}\n", `1: fraud.per_day.spend: expected an amount above 0, or off for no cap, got ".nan"`},
		{"money without prices", "fraud: {per_day: {spend: 5}}\n", `1: fraud.per_day.spend: expected rates or rates_file, without which there are no prices`},
		{"a price below 0", "fraud: {rates: [{prefix: \"+49\", per_minute: -1}]}\n", `1: fraud.rates[0].per_minute: expected an amount such as 0.02, got "-1"`},
		{"a price for a country", "fraud: {rates: [{prefix: DE, per_minute: 1}]}\n",
			`1: fraud.rates[0].prefix: expected + and digits, or the digits of an extension, got "DE"`},
		{"two currencies", "fraud:\n  rates:\n  - {prefix: \"+49\", per_minute: 1, currency: EUR}\n  - {prefix: \"+1\", per_minute: 1, currency: USD}\n",
			`4: fraud.rates[1].currency: expected one currency in all rates, got "EUR" and "USD"`},
		{"a currency by its sign", "fraud: {rates: [{prefix: \"+49\", per_minute: 1, currency: €}]}\n",
			`1: fraud.rates[0].currency: expected three letters such as EUR, got "€"`},
		{"a home nobody has", "fraud: {home_region: EU}\n", `1: fraud.home_region: expected the ISO code of a country such as DE, got "EU"`},
		{"a trunk that may dial nothing in particular", "trunks:\n- {id: a, host: h, allowed_prefixes: [\"\"]}\n",
			`2: trunks[0].allowed_prefixes[0]: expected + and digits, or the digits of an extension, got ""`},
		{"a trunk with calls of weeks", "trunks:\n- {id: a, host: h, max_duration: 200h}\n", `2: trunks[0].max_duration: expected from 0s to 24h0m0s, got 200h0m0s`},
		{"signed links without a secret", "links: {require_signed: true}\n", `1: links.require_signed: expected a links.secret, without which there are no signed links`},
		{"a door for signed links without a secret", "links: {require_to_join: true}\n",
			`1: links.require_to_join: expected a links.secret, without which there are no signed links`},
		{"a short secret for links", "links: {secret: abc}\n", `1: links.secret: expected at least 16 bytes, got 3`},
		{"a secret for links that others know", "links: {secret: 0123456789abcdef-sfu}\n", `1: links.secret: expected a secret of its own, it is that of keys[0]`},
		{"a key of the API that can be guessed", "sfu:\n  api_keys: [{id: ops, key: k}]\n", `2: sfu.api_keys[0].key: expected at least 16 bytes, got 1`},
		{"a ledger that forgets the day", "ledger: {retention: 24h}\n", `1: ledger.retention: expected from 72h0m0s to 87840h0m0s, got 24h0m0s`},
		{"ringing for ever", "fraud: {max_ring: 1h}\n", `1: fraud.max_ring: expected from 1s to 10m0s, got 1h0m0s`},
		{"a variable that is not set", "sfu:\n  listen: 127.0.0.1:1\n  turn:\n    url: turn:h:1\n    secret: ${TURN_SECRET}\n",
			`5: sfu.turn.secret: expected the environment variable TURN_SECRET to be set`},
		{"a variable without a name", "data_dir: a${}\n", `1: data_dir: expected ${NAME} with a name of letters, digits and _`},
		{"a variable in a key", "sfu:\n  ${NAME}: 5\n", `2: sfu.${NAME}: unknown key, expected one of ` +
			`listen, public_url, allowed_origins, tls, trusted_proxies, media, turn, bridge_url, leg_listen, empty_room_grace, add_phone, embed_origins, api_keys`},
		{"text from the environment for a number", "sfu:\n  media:\n    udp_port: ${WORD}\n", `3: sfu.media.udp_port: expected a whole number, got "word"`},
		{"an alias", "data_dir: &a x\n", `1: data_dir: expected the value itself, got a YAML anchor or alias`},
		{"a second document", "data_dir: x\n---\n", `2: expected one YAML document, got a second one`},
		{"no YAML", "data_dir: [x\nsfu: {}\n", `1: expected YAML: did not find expected ',' or ']'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.src+keysOnly, map[string]string{"WORD": "word"})
			found := false
			for _, m := range messages(err) {
				found = found || m == "dialroom.yaml:"+c.want
			}
			if !found {
				t.Errorf("got  %v\nwant dialroom.yaml:%s", err, c.want)
			}
		})
	}
}

func TestKeysMustBeThereAndBeTheirOwn(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"no keys at all", "", `1: keys: expected a key with the role sfu` + "\n" + `dialroom.yaml:1: keys: expected a key with the role bridge`},
		{"no key for the bridge", "\nkeys:\n- {id: a, role: sfu, secret: 0123456789abcdef}\n", `2: keys: expected a key with the role bridge`},
		{"an unknown role", keysOnly + "  - {id: x, role: admin, secret: 0123456789abcdef}\n", `4: keys[2].role: expected sfu, bridge or script, got "admin"`},
		{"a short secret", keysOnly + "  - {id: x, role: script, secret: 0123456789abcdeX}\n  - {id: y, role: script, secret: 0123456789abcde}\n",
			`5: keys[3].secret: expected at least 16 bytes, got 15`},
		{"an id twice", keysOnly + "  - {id: sfu, role: script, secret: 0123456789abcdef}\n", `4: keys[2].id: expected an id of its own, sfu is that of keys[0]`},
		{"a secret twice", keysOnly + "  - {id: x, role: script, secret: 0123456789abcdef-sfu}\n", `4: keys[2].secret: expected a secret of its own, it is that of keys[0]`},
		{"limits for the sfu itself", "keys:\n  - {id: x, role: sfu, secret: 0123456789abcdef, per_day: 5}\n  - {id: y, role: bridge, secret: 0123456789abcdeg}\n",
			`2: keys[0]: expected limits (allow, per_day, per_minute, concurrent) only for the role script`},
		{"a key that may dial what is no prefix", keysOnly + "  - {id: x, role: script, secret: 0123456789abcdef, allow: [\"+4x\"]}\n",
			`4: keys[2].allow[0]: expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got "+4x"`},
		{"three keys in rotation", keysOnly + "  - {id: x, role: sfu, secret: 0123456789abcdef}\n  - {id: y, role: sfu, secret: 0123456789abcdeg}\n",
			`5: keys[3].role: expected at most 2 keys with the role sfu`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.src, nil)
			if err == nil || err.Error() != "dialroom.yaml:"+c.want {
				t.Errorf("got  %v\nwant dialroom.yaml:%s", err, c.want)
			}
		})
	}
}
