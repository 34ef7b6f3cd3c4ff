// SPDX-License-Identifier: Apache-2.0
// A small web application of the usual kind: pages of its own, static files, a health check.
"use strict";

const express = require("express");
const path = require("path");
const config = require("./config.json");
const release = require("./release.json");

const app = express();
app.use("/static", express.static(path.join(__dirname, "public")));
app.get("/", (request, response) => {
    response.send(`<h1>${release.greeting}</h1>\n`);
});
app.get("/health", (request, response) => {
    response.json({status: "up", release: release.number});
});
app.listen(config.port, "127.0.0.1");
