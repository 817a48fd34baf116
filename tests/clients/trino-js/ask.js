// Reads a JSON list of statements, asks each in one session, and prints a line of JSON for each.
const { Trino } = require("trino-client");
const { readFileSync } = require("node:fs");

async function main([server, token]) {
  const headers = { Authorization: `Bearer ${token}`, "X-Trino-User": "ana" };
  const trino = Trino.create({ server, catalog: "gateway", schema: "shop", extraHeaders: headers });
  for (const sql of JSON.parse(readFileSync(0, "utf8"))) {
    const found = { rows: [] };
    for await (const page of await trino.query(sql)) {
      if (page.error) found.error = page.error.errorName;
      found.rows.push(...(page.data ?? []));
    }
    console.log(JSON.stringify(found));
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message, error.response?.data);
  process.exit(1);
});
