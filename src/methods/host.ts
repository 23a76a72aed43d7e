import { defineMethod } from '../rpc/method.ts';
import { pairs, record } from '../rpc/results.ts';

const area = 'Host';

export const hostMethods = [
  defineMethod({
    name: 'xen_get_xm_info',
    area,
    summary: 'Describe the server under the keys of `xm info`, whatever its hypervisor is.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: pairs({
      host: 'name of the server',
      release: 'release of its kernel',
      version: 'version of its kernel',
      machine: 'architecture',
      nr_cpus: 'number of processors',
      cpu_mhz: 'clock rate of the first processor',
      total_memory: 'MiB of memory',
      free_memory: 'MiB that new guests can have',
      hypervisor: 'name of the hypervisor',
      xen_major: 'first number of its version',
      xen_minor: 'second number',
      xen_extra: 'the rest, with a leading dot',
      xen_caps: 'kinds of guests it runs',
    }),
    errors: [],
    async run({ hostFigures }) {
      const facts = await hostFigures.facts();
      const [major = '', minor = '', ...extra] = facts.hypervisorVersion.split('.');
      return {
        host: facts.hostname,
        release: facts.uname.release,
        version: withoutSemicolons(facts.uname.version),
        machine: facts.uname.machine,
        nr_cpus: facts.processors,
        cpu_mhz: facts.processorMhz,
        total_memory: facts.totalMemoryMib,
        free_memory: facts.freeMemoryMib,
        hypervisor: facts.hypervisor,
        xen_major: major,
        xen_minor: minor,
        xen_extra: extra.length > 0 ? `.${extra.join('.')}` : '',
        xen_caps: `${facts.hypervisor}-${facts.uname.machine}`,
      };
    },
  }),
  defineMethod({
    name: 'get_hypervisor_log',
    area,
    summary: 'Tell what the hypervisor said of its own accord, as xm dmesg does.',
    access: 'admin',
    runsOn: 'this-server',
    params: {},
    returns: record('the text', 'string', 'qemu-system-x86_64: …'),
    errors: ['HYPERVISOR'],
    run: ({ hostFigures }) => hostFigures.hypervisorMessages(),
  }),
  defineMethod({
    name: 'sys_perf_info',
    area,
    summary: 'Tell how busy the server is now.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: pairs({
      cpu_idle: 'share of idle processor time, 0 to 1; waiting for disks is part of it',
      mem_free: 'MiB of memory that new guests can have',
      load: 'processes that run or wait, mean of one minute',
      cpu_user: 'share for programs',
      cpu_system: 'share for the kernel',
      cpu_iowait: 'share idle while a disk was waited for',
      cpu_steal: 'share taken by the hypervisor under this server',
      mem_total: 'MiB of memory',
      swap_free: 'MiB of swap that is free',
    }),
    errors: [],
    async run({ hostFigures }) {
      const { figures, freeMemoryMib } = await hostFigures.performance();
      const share = (...percents: (number | undefined)[]): string =>
        (percents.reduce<number>((sum, percent) => sum + (percent ?? 0), 0) / 100).toFixed(4);
      return {
        cpu_idle: share(figures.cpu_idle, figures.cpu_iowait),
        mem_free: freeMemoryMib,
        load: figures.load ?? 0,
        cpu_user: share(figures.cpu_user),
        cpu_system: share(figures.cpu_system),
        cpu_iowait: share(figures.cpu_iowait),
        cpu_steal: share(figures.cpu_steal),
        mem_total: figures.mem_total ?? 0,
        swap_free: figures.swap_free ?? 0,
      };
    },
  }),
];

/** A kernel's version is free text; what separates the values of a reply must not stand in it. */
function withoutSemicolons(text: string): string {
  return text.replaceAll(';', ' ');
}
