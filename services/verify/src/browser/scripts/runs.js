// The rows of the results, as they can be read: `innerText` leaves out what is not shown.
const text = (row, label) => row.querySelector(`[data-label="${label}"]`)?.innerText.trim() ?? "";
return [...document.querySelectorAll("table tbody tr")].map((row) => {
  const [status, ...verdict] = text(row, "Status").split(/\s+/);
  return {
    scenario: text(row, "Scenario"),
    status,
    verdict: verdict.join(" "),
    trace_id: row.querySelector('[data-label="Trace ID"] code')?.innerText ?? "",
    command: row.querySelector('[data-label="See"] code')?.innerText ?? "",
    links: Object.fromEntries([...row.querySelectorAll("a[href]")].map((link) => [link.innerText, link.href])),
    detail: text(row, "Detail"),
  };
});
