// @ts-check
// The theme, before the first paint: a module would come too late.
const theme = localStorage.getItem("iotfile-theme");
if (theme) document.documentElement.dataset.theme = theme;
