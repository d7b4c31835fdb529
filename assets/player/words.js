/**
 * A name as people say it: "vm1.vcpu0" is "VM 1 vCPU 0".
 * @param {string} name
 */
export const say = (name) =>
  name.replace("vm", "VM ").replace(".vcpu", " vCPU ").replace(/^cpu/, "CPU ").replace(/[._]/g, " ");

/**
 * A number with its thousands apart.
 * @param {number} n
 */
export const count = (n) => n.toLocaleString("en");
