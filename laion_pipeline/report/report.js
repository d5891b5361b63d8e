"use strict";
// Beside Dagster's UI, which serves this page below /files, there are the assets to go back to.
if (/^http/.test(location.protocol) && location.pathname.startsWith("/files/")) {
  document.querySelectorAll(".asset").forEach((link) => (link.hidden = false));
}
// A click on the head of a column sorts its table; without scripts it is as it was made. Where rows
// are stacked, on a phone, there are no heads to click on.
if (matchMedia("(min-width: 40.01rem)").matches) {
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.querySelectorAll("thead th")];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table.tBodies[0], heads, column));
    });
  }
}

function sort(body, heads, column) {
  const order = heads[column].ariaSort === "descending" ? "ascending" : "descending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].ariaSort = order;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
  rows.sort((one, other) => sign * compare(one.key, other.key));
  body.append(...rows.map(({ row }) => row));
}

function key(cell) {
  return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
}

// What is not there comes last when the largest comes first.
function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") {
    return one - other;
  }
  if (typeof one !== typeof other) {
    return typeof one === "number" ? 1 : -1;
  }
  return one.localeCompare(other);
}
